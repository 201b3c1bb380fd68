"""What a sidecar that serves has loaded: nothing that it does not use, as all of it stays."""

import re
from pathlib import Path

import pytest

from lanspread_client import SyncClient
from support.processes import SidecarProcess, wait_for

# Each with all that is in it, and why a sidecar that only serves can do without.
NOT_NEEDED = {
    "rich.console": "structlog would draw tracebacks with it",
    "prometheus_client": "for metrics, when they are asked for",
    "service_identity": "aioquic would check by it the name in a certificate",
    "attr": "service_identity is made with it",
    "OpenSSL": "aioquic would check by it who signed a certificate",
    "certifi": "the authorities that aioquic would trust",
    "google.protobuf.internal.python_message": "protobuf in Python, where it runs in C",
    "google.protobuf.text_format": "messages as text",
    "lanspread_client": "the other end of the control API",
    "lanspread_peer.control.command_certs": "another command",
    "lanspread_peer.control.command_config": "another command",
    "lanspread_peer.control.command_doctor": "another command",
    "lanspread_peer.control.command_healthcheck": "another command",
    "lanspread_peer.control.command_index": "another command",
    "lanspread_peer.control.doctor": "another command",
    "lanspread_peer.control.metrics": "when they are asked for",
    "lanspread_peer.control.metrics_server": "when they are asked for",
    "lanspread_peer.runtime.log_file": "for a log that goes to a file too",
    "lanspread_peer.storage.authority_folder": "for the organiser of a party",
    "anyio._backends": "the watch of the game folder has its own thread",
    "argparse": "the command line is click's",
    "concurrent.futures.process": "what hashes are threads",
    "email.message": "nobody writes a letter",
    "http": "nobody browses",
    "importlib.metadata": "reads files of every package that is installed",
    "logging.handlers": "for a log that goes to a file too",
    "tomllib": "for a configuration file",
    "unittest": "for tests",
    "xml": "nothing is written in it",
}
NEEDED = {"aioquic.tls", "grpc._cython.cygrpc", "lanspread_peer.runtime.sidecar", "zeroconf"}

_IMPORTED = re.compile(r"^import time: .*\| +(\S+)$", re.MULTILINE)


def test_a_sidecar_with_a_peer_and_a_client_has_loaded_only_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SidecarProcess(tmp_path / "alice") as alice:
        monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
        with SidecarProcess(tmp_path / "bob", peers=[alice.address]) as bob:
            with SyncClient.connect(bob.state) as client:
                wait_for("alice", lambda: client.get_status().peer_count)
                client.list_games()
            loaded = set(_IMPORTED.findall(bob.log))
    assert loaded >= NEEDED
    assert sorted(filter(is_not_needed, loaded)) == []


def is_not_needed(module: str) -> bool:
    """Whether the list has it, or what it is in."""
    return any(f"{module}.".startswith(f"{name}.") for name in NOT_NEEDED)
