"""On real networks of this machine: a peer whose firewall drops what comes in is a full source."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.games import GAME, make_big_game
from bench.namespaces import Link, Machine, network
from bench.options import MIB
from bench.sidecar import Sidecar
from lanspread_client import LanspreadError
from support.firewall import Firewall, can_connect
from support.game_trees import differences

PORT = 26789


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    link = Link(1000.0, 1000.0)
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(network(link, link))
        except RuntimeError as error:
            pytest.skip(f"no network namespaces here: {error}")
        yield made


def sidecar_at(machine: Machine, folder: Path, *peers: str) -> Sidecar:
    return Sidecar(folder, bind=machine.address, port=PORT, run_by=machine.run_by, peers=peers)


@pytest.mark.slow
def test_a_peer_behind_a_firewall_serves_by_tls_on_lines_that_it_opens(
    machines: list[Machine], tmp_path: Path
) -> None:
    outside, inside = machines
    firewall = Firewall(inside, PORT)
    with sidecar_at(outside, tmp_path / "downloader") as downloader:
        server = sidecar_at(inside, tmp_path / "server", downloader.address)
        make_big_game(server.games, 64 * MIB)
        with server, downloader.client() as client:
            server.wait_hashed()
            with pytest.raises(LanspreadError):
                client.add_peer(f"{inside.address}:{PORT}")
            firewall.called(outside.address, PORT)
            downloader.wait_sources(1)
            assert can_connect(inside, outside.address, PORT)
            assert not can_connect(outside, inside.address, PORT)
            downloader.download()
            assert differences(server.games / GAME, downloader.games / GAME) == []
            [peer] = client.list_peers()
            assert peer.address.startswith(inside.address)
            assert peer.transport == "tls"
            with server.client() as other:
                assert [each.transport for each in other.list_peers()] == ["tls"]


@pytest.mark.slow
def test_where_both_ends_have_a_firewall_bytes_come_by_quic(
    machines: list[Machine], tmp_path: Path
) -> None:
    outside, inside = machines
    Firewall(inside, PORT).called(outside.address, PORT)
    Firewall(outside, PORT).called(inside.address, PORT)
    with sidecar_at(outside, tmp_path / "downloader") as downloader:
        server = sidecar_at(inside, tmp_path / "server", downloader.address)
        make_big_game(server.games, 16 * MIB)
        with server, downloader.client() as client:
            downloader.wait_sources(1)
            assert not can_connect(inside, outside.address, PORT)
            assert not can_connect(outside, inside.address, PORT)
            downloader.download()
            assert differences(server.games / GAME, downloader.games / GAME) == []
            assert [each.transport for each in client.list_peers()] == ["quic"]
