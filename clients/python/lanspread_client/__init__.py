"""Drive a lanspread-peer sidecar from Python.

`Client` is for asyncio, `SyncClient` for everything else; both have the same methods and answer
with the messages of `lanspread.peer.v1`. `events` and `download` survive a broken connection.
`connect` finds a sidecar that runs; `spawn` and `spawn_async` start one of our own.
"""

import os

# Read once, when grpc is imported: by default it tells stderr whenever a sidecar ends.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from lanspread_client.client import Client
from lanspread_client.errors import LanspreadError
from lanspread_client.runtime_file import RuntimeFile, default_state_dir, read_runtime_file
from lanspread_client.sidecar_process import SidecarProcess
from lanspread_client.spawned import Spawned, spawn, spawn_async
from lanspread_client.sync import SyncClient

__all__ = [
    "Client",
    "LanspreadError",
    "RuntimeFile",
    "SidecarProcess",
    "Spawned",
    "SyncClient",
    "default_state_dir",
    "read_runtime_file",
    "spawn",
    "spawn_async",
]
