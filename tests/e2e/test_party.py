"""A party of real processes: members and a stranger at one switch, and papers from the command."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lanspread.peer.v1.types_pb2 import DOWNLOAD_STATE_RUNNING, PEER_STATE_CONNECTED, Peer
from lanspread_client import SyncClient
from lanspread_peer.model.limits import MIB
from lanspread_peer.transport.certificate import peer_id_of_public_key
from lanspread_peer.transport.party_trust import ends_at
from support.game_trees import differences, make_game
from support.papers import Authority, ending_in, node_key_of, utc_now, write_papers
from support.processes import SidecarProcess, peer_program, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def certs(*words: str | Path) -> None:
    """What a person types, which must work."""
    ended = peer_program("certs", *words)
    assert ended.returncode == 0, ended.stderr


def found_with(organiser: Path, *members: Path) -> None:
    """Found a party, and go the way of its guests: a request there, two files back."""
    certs("init", organiser, "--name", "Summer LAN")
    requests = [member.with_suffix(".csr") for member in members]
    for member, request in zip(members, requests, strict=True):
        certs("request", request, "--state-dir", member / "state")
    certs("issue", organiser, *requests)
    for member in members:
        hand_over(organiser, member)


def hand_over(organiser: Path, member: Path) -> None:
    """What lies in the organiser's folder for a member goes to the member's PC."""
    peer_id = peer_id_of_public_key(node_key_of(member / "state").public_key())
    given = organiser / "members" / peer_id
    shutil.copytree(given, member / "state" / "party", dirs_exist_ok=True)


def peers_of(sidecar: SidecarProcess) -> list[Peer]:
    with sidecar.client() as client:
        return list(client.list_peers())


def is_connected(sidecar: SidecarProcess, name: str) -> bool:
    return any(p.name == name and p.state == PEER_STATE_CONNECTED for p in peers_of(sidecar))


def wait_said(sidecar: SidecarProcess, words: str) -> None:
    """Wait for these words in its log."""
    wait_for(f"{words} in the log of {sidecar.name}", lambda: words in sidecar.log)


def download(sidecar: SidecarProcess, game: Path) -> None:
    answer = sidecar.cli("get", game.name)
    assert answer.returncode == 0, answer.stderr
    assert differences(game, sidecar.games / game.name) == []


def test_members_share_and_a_stranger_sees_nothing(tmp_path: Path) -> None:
    found_with(tmp_path / "organiser", tmp_path / "alice", tmp_path / "bob")
    with SidecarProcess(tmp_path / "alice") as alice:
        game = make_game(alice.games, megabytes=40)
        at = [alice.address]
        with (
            SidecarProcess(tmp_path / "bob", peers=at) as bob,
            SidecarProcess(tmp_path / "mallory", peers=at) as mallory,
        ):
            bob.wait_for_sources(game.name, 1)
            wait_said(mallory, "NOT_A_MEMBER")
            download(bob, game)
            assert [peer.transport for peer in peers_of(bob)] == ["tls"]
            assert mallory.ask("games") == {"games": []}
            refused = mallory.cli("get", game.name)
            assert refused.returncode != 0
            assert not (mallory.games / game.name).exists()
            assert {peer.name for peer in peers_of(mallory)} <= {""}
            assert not is_connected(alice, "mallory")


def first_token(client: SyncClient) -> str:
    """Where the events go on from now."""
    for message in client.events():
        if message.WhichOneof("event") == "snapshot_complete":
            return message.resume_token
    raise AssertionError


def events_until(client: SyncClient, token: str, last: str) -> list[str]:
    """The kinds of all events since then, up to the first of this kind."""
    kinds = []
    for message in client.events(token):
        kinds.append(str(message.WhichOneof("event")))
        if kinds[-1] == last:
            break
    return kinds


def test_a_rotation_while_a_download_runs_costs_nothing(tmp_path: Path) -> None:
    organiser = tmp_path / "organiser"
    found_with(organiser, tmp_path / "alice", tmp_path / "bob")
    with SidecarProcess(tmp_path / "alice") as alice:
        game = make_game(alice.games, megabytes=60)
        with SidecarProcess(tmp_path / "bob", peers=[alice.address]) as bob:
            bob.wait_for_sources(game.name, 1)
            with bob.client() as client:
                token = first_token(client)
                # So slow that it lasts until the limit is taken away.
                client.update_settings(download_bytes_per_second=MIB)
                download_id = client.download_game_files(game.name).id
            bob.wait_for_share(download_id, 0.01)
            certs("rotate", organiser, "--days", "3")
            for sidecar in (alice, bob):
                hand_over(organiser, tmp_path / sidecar.name)
            for sidecar in (alice, bob):
                wait_said(sidecar, "new party files")
            with bob.client() as client:
                assert client.get_download(download_id).state == DOWNLOAD_STATE_RUNNING
                client.update_settings(download_bytes_per_second=None)
                kinds = events_until(client, token, "download_game_files_finished")
            assert "peer_lost" not in kinds
            assert "download_game_files_waiting" not in kinds
            assert differences(game, bob.games / game.name) == []


def test_who_expires_is_refused_and_told_so_until_it_gets_new_papers(tmp_path: Path) -> None:
    authority = Authority.make()
    keys = {name: node_key_of(tmp_path / name / "state") for name in ("alice", "bob")}

    def papers(name: str, end: timedelta) -> datetime:
        folder = tmp_path / name / "state" / "party"
        member = authority.member(keys[name], end=end)
        write_papers(folder, [authority], member)
        return ends_at(member)

    def is_linked_before(end: datetime) -> bool:
        def look() -> str:
            return "linked" if is_connected(alice, "bob") else "late" * (utc_now() > end)

        return str(wait_for("bob to be connected, or too late for that", look, 120)) == "linked"

    papers("alice", timedelta(days=5))
    papers("bob", ending_in(-1))
    with SidecarProcess(tmp_path / "alice") as alice:
        game = make_game(alice.games)
        with SidecarProcess(tmp_path / "bob", peers=[alice.address]) as bob:
            for sidecar in (alice, bob):
                wait_said(sidecar, "CERTIFICATE_EXPIRED")
            [refused] = wait_for("bob at alice", lambda: peers_of(alice))
            assert refused.refusal == "CERTIFICATE_EXPIRED"
            # However slow this machine is, one of them is long enough to be connected with.
            assert any(is_linked_before(papers("bob", ending_in(s))) for s in (10, 40, 100))
            wait_for("bob's end", lambda: not is_connected(alice, "bob"), 120)
            wait_for("the reason", lambda: peers_of(alice)[0].refusal == "CERTIFICATE_EXPIRED")
            papers("bob", timedelta(days=5))
            wait_for("bob to be back", lambda: is_connected(alice, "bob"), 120)
            bob.wait_for_sources(game.name, 1)
            download(bob, game)
