"""Front ends on other machines: TLS, the one certificate of this launch, and its token."""

import hashlib
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanspread_client import Client, LanspreadError, SyncClient, read_runtime_file, spawn
from lanspread_peer.control.tls import make_launch_tls
from support.managed import QUIET, ManagedProcess
from support.processes import BIN, peer_program

# Open to all, as with 0.0.0.0 and no other machine in reach of a test, loopback stands for them.
OPEN = {"listen": "0.0.0.0:0"}


@pytest.fixture
def spawned(tmp_path: Path) -> Iterator[ManagedProcess]:
    with ManagedProcess(tmp_path, settings=OPEN).start() as spawned:
        yield spawned


def reason_of(client: SyncClient) -> str:
    with client, pytest.raises(LanspreadError) as caught:
        client.get_status()
    return caught.value.reason


def test_the_certificate_and_the_token_let_in(spawned: ManagedProcess) -> None:
    ready = spawned.ready
    with SyncClient(
        ready["address"], ready["token"], tls_certificate=ready["tls_certificate"]
    ) as client:
        assert client.get_status().instance_id == ready["instance_id"]
    der = ssl.PEM_cert_to_DER_cert(ready["tls_certificate"])
    assert hashlib.sha256(der).hexdigest() == ready["tls_cert_sha256"]


async def test_the_runtime_file_lets_in_too(spawned: ManagedProcess) -> None:
    content = json.loads((spawned.state / "runtime.json").read_text())
    assert content["tls_cert_sha256"] == spawned.ready["tls_cert_sha256"]
    assert read_runtime_file(spawned.state).tls_certificate == spawned.ready["tls_certificate"]
    with SyncClient.connect(spawned.state) as client:
        client.get_status()
    async with Client.connect(spawned.state) as async_client:
        await async_client.get_status()
    assert peer_program("healthcheck", "--state-dir", spawned.state).returncode == 0


def test_without_tls_or_with_another_certificate_nobody_talks(spawned: ManagedProcess) -> None:
    address, token = spawned.ready["address"], spawned.ready["token"]
    # One that says the same of itself, and has another key.
    other = make_launch_tls().certificate
    assert reason_of(SyncClient(address, token)) == "NO_ANSWER"
    assert reason_of(SyncClient(address, token, tls_certificate=other)) == "NO_ANSWER"
    assert "BEGIN" not in spawned.log


def test_tls_alone_lets_nobody_in(spawned: ManagedProcess) -> None:
    address, certificate = spawned.ready["address"], spawned.ready["tls_certificate"]
    assert reason_of(SyncClient(address, "no", tls_certificate=certificate)) == "UNAUTHENTICATED"


@pytest.mark.usefixtures("no_end_is_late")
def test_a_spawned_sidecar_may_listen_to_all(tmp_path: Path) -> None:
    (tmp_path / "games").mkdir()
    with spawn(
        tmp_path / "games",
        tmp_path / "state",
        command=(BIN / "lanspread-peer",),
        settings={**QUIET, **OPEN},
    ) as sidecar:
        assert sidecar.ready.tls_certificate
        sidecar.client.get_status()
    assert sidecar.process.exit_code == 0


def test_on_loopback_there_is_no_tls(tmp_path: Path) -> None:
    with ManagedProcess(tmp_path, settings={"listen": "127.0.0.1:0"}).start() as spawned:
        assert "tls_certificate" not in spawned.ready
        with spawned.client() as client:
            client.get_status()


def test_the_key_stands_in_no_text() -> None:
    made = make_launch_tls()
    assert made.key.decode() not in repr(made)
