"""Another user of this machine, who tries what he can: `other_user.py PID STATE_DIR ADDRESS`.

Started as root, because he may not read our interpreter. Prints what came of each try as JSON.
"""

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import grpc

from lanspread_client import LanspreadError, SyncClient

NOBODY = 65534


def outcome(attempt: Callable[[], object]) -> str:
    """The name of what it was refused with, or what it got."""
    try:
        return str(attempt())
    except LanspreadError as error:
        return error.reason
    except OSError as error:
        return type(error).__name__


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def connect(path: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(path)
    return "connected"


def call(address: str, token: str) -> object:
    with SyncClient(address, token) as client:
        return client.get_status()


if __name__ == "__main__":
    process, state, address = Path("/proc") / sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    # Loaded before, as he may not read the packages either.
    grpc.insecure_channel("unix:/nowhere").close()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    outcomes = {
        "names": outcome(lambda: names(state)),
        "runtime file": outcome((state / "runtime.json").read_text),
        "arguments": outcome((process / "cmdline").read_text),
        "environment": outcome((process / "environ").read_text),
        "memory": outcome((process / "mem").read_bytes),
        "stdin": outcome(lambda: (process / "fd" / "0").readlink()),
        "call": outcome(lambda: call(address, "guessed")),
    }
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        outcomes["socket"] = outcome(lambda: connect(str(path)))
        outcomes["folder"] = outcome(lambda: names(path.parent))
    print(json.dumps(outcomes))
