"""Sidecars that nobody can dial, without a firewall: they announce a port that says nothing."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from lanspread_peer.runtime import bulk_routes
from lanspread_peer.runtime.identity import Identity
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.wire import messages
from support.party import AOE2, Files, Party, address_of, wait_sources
from support.ports import free_port
from support.quic_party import LOOPBACK


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes TCP connections and datagrams, and says nothing."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        port = free_port()
        tcp.bind((LOOPBACK, port))
        tcp.listen(64)
        udp.bind((LOOPBACK, port))
        yield port


def guard(sidecar: Sidecar, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this sidecar announce that port for both transports."""
    sidecar._neighbourhood.bulk_port = port
    honest = Identity.hello

    def hello(self: Identity, **what: object) -> messages.Hello:
        if self.peer_id == sidecar.status().peer_id:
            what["listen_port"] = port
        return honest(self, **what)  # type: ignore[arg-type]

    monkeypatch.setattr(Identity, "hello", hello)


async def guarded_source(
    party: Party, game: Files, port: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[Sidecar, Sidecar]:
    """A source that dialled the downloader and cannot be dialled, and the downloader."""
    # What nobody can reach is found out sooner than a person would have it.
    monkeypatch.setattr(bulk_routes, "_REACHED_WITHIN_S", 0.2)
    downloader = await party.start("downloader")
    server = await party.start("server", {AOE2: game})
    guard(server, port, monkeypatch)
    await server.add_peer(address_of(downloader))
    await wait_sources(downloader, 1)
    return server, downloader
