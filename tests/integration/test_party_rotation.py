"""Papers of a party that change while its sidecars run: new ones, others, useless ones."""

import pytest

from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import PeerLost
from lanspread_peer.model.limits import MAX_PARTY_FILE_BYTES
from lanspread_peer.runtime import renewals
from lanspread_peer.storage.party_folder import AUTHORITIES_FILE, MEMBER_FILE
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer, encode
from support.game_trees import differences
from support.members import (
    Members,
    connections_of,
    credentials_of,
    pair,
    papers_of,
    refusal_in,
    taken_up,
    turn_clock,
    warnings_of,
    watch_of,
)
from support.papers import DAY, Authority, der_of, write_papers
from support.party import (
    AOE2,
    MIB,
    Party,
    address_of,
    change_settings,
    make_game,
    start_download,
    until,
    wait_bytes,
    wait_done,
    wait_sources,
)
from support.quic_pair import make_key
from support.quic_party import ask
from support.tls_party import RawCaller


async def test_a_rotated_member_stays_connected_when_its_old_certificate_ends(
    party: Party,
) -> None:
    for rotated in ("server", "downloader"):
        root = Party(party.root / rotated)
        ends = {"server_end" if rotated == "server" else "client_end": 5 * DAY}
        members, server, downloader = await pair(root, **ends)
        before = connections_of(server), connections_of(downloader)
        new = members.enrol(rotated, end=20 * DAY)
        here, other = (server, downloader) if rotated == "server" else (downloader, server)
        await taken_up(here)
        assert credentials_of(here).certificate == new
        turn_clock(other, 6 * DAY)
        await watch_of(other).look()
        assert (connections_of(server), connections_of(downloader)) == before
        assert root.events(other).of(PeerLost) == root.events(here).of(PeerLost) == []
        # By then the new one has ended, too.
        turn_clock(other, 21 * DAY)
        await watch_of(other).look()
        await root.events(other).wait_for(PeerLost)
        await root.close()


async def test_new_connections_show_the_new_certificate(party: Party) -> None:
    members, server, _ = await pair(party)
    new = members.enrol("server", end=7 * DAY)
    await taken_up(server)
    guest = await party.hostile(credentials=members.authority.credentials())
    connection = await guest.connect(address_of(server))
    assert connection._quic.peer_certificate() == new  # type: ignore[attr-defined]
    caller = await RawCaller.open(server._neighbourhood.bulk_port)
    try:
        shown = caller.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        caller.close()
    assert shown == der_of(new)


async def test_an_authority_is_replaced_with_an_overlap_and_nobody_is_dropped(
    party: Party,
) -> None:
    members, server, downloader = await pair(party)
    old, new = members.authority, Authority.make()
    before = connections_of(server), connections_of(downloader)
    for name, sidecar in (("server", server), ("downloader", downloader)):
        members.enrol(name, authority=old, trusted=[new, old])
        await taken_up(sidecar)
    # As short as for one party, and sooner over than what they have.
    for name, sidecar in (("server", server), ("downloader", downloader)):
        members.enrol(name, authority=new, trusted=[new, old], end=14 * DAY)
        await taken_up(sidecar)
    for name, sidecar in (("server", server), ("downloader", downloader)):
        members.enrol(name, authority=new, trusted=[new], end=14 * DAY)
        await taken_up(sidecar)
    assert (connections_of(server), connections_of(downloader)) == before
    key = make_key()
    late = await party.hostile(credentials=new.pretender(old.member(key), key))
    answer = refusal_in(await late.say_hello(await late.connect(address_of(server))))
    assert answer.reason == "NOT_A_MEMBER"


async def test_who_does_not_know_the_new_authority_yet_is_shown_it_again(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewals, "_TRY_AGAIN_S", 0.0)
    members, server, downloader = await pair(party, client_end=5 * DAY)
    old, new = members.authority, Authority.make()
    before = connections_of(server), connections_of(downloader)
    members.enrol("downloader", authority=new, trusted=[new, old])
    await taken_up(downloader)
    assert (connections_of(server), connections_of(downloader)) == before, "refused, and kept"
    members.enrol("server", authority=old, trusted=[new, old])
    await taken_up(server)
    await downloader._neighbourhood.renew()
    turn_clock(server, 6 * DAY)
    await watch_of(server).look()
    assert (connections_of(server), connections_of(downloader)) == before


async def test_who_is_left_out_of_a_new_authority_loses_its_connection(party: Party) -> None:
    members, server, downloader = await pair(party)
    new = Authority.make()
    members.enrol("server", authority=new, trusted=[new])
    await taken_up(server)
    lost = await party.events(server).wait_for(PeerLost)
    assert lost.detail == "NOT_A_MEMBER"
    # Which now is the stranger, and finds no member behind the address it knows.
    await until(lambda: [peer.refusal for peer in downloader.peers()] == ["NOT_A_MEMBER"])


async def test_a_rotation_in_the_middle_of_a_download_does_not_interrupt_it(
    party: Party,
) -> None:
    members = Members(party)
    game = make_game(40)
    server = await members.start("server", {AOE2: game}, end=5 * DAY)
    downloader = await members.start("downloader", peers=(server,), end=5 * DAY)
    await wait_sources(downloader, 1)
    # So slow that it lasts until the limit is taken away.
    await change_settings(downloader, download_bytes_per_second=MIB)
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    for name, sidecar in (("server", server), ("downloader", downloader)):
        members.enrol(name, end=20 * DAY)
        await taken_up(sidecar)
    for sidecar in (server, downloader):
        turn_clock(sidecar, 6 * DAY)
        await watch_of(sidecar).look()
    assert not downloader.download(download_id).state.is_final
    await change_settings(downloader, download_bytes_per_second=None)
    assert (await wait_done(downloader, download_id)).state is DownloadState.FINISHED
    assert party.events(downloader).of(PeerLost) == party.events(server).of(PeerLost) == []
    assert differences(party.game("server"), party.game("downloader")) == []


async def test_files_that_are_of_no_use_change_nothing_and_are_told_once(party: Party) -> None:
    members, server, downloader = await pair(party)
    papers = papers_of(party, "server")
    shown = credentials_of(server).certificate
    other_key = Authority.make().credentials().key
    spoilt = [
        (AUTHORITIES_FILE, b"no certificate"),
        (AUTHORITIES_FILE, b""),
        (AUTHORITIES_FILE, b"x" * (MAX_PARTY_FILE_BYTES + 1)),
        (MEMBER_FILE, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ]
    good = {name: (papers / name).read_bytes() for name in (AUTHORITIES_FILE, MEMBER_FILE)}
    for name, data in spoilt:
        (papers / name).write_bytes(data)
        await taken_up(server)
        assert credentials_of(server).certificate == shown
        (papers / name).write_bytes(good[name])
    for authority, key in (
        (members.authority, other_key),
        (Authority.make(), credentials_of(server).key),
    ):
        write_papers(papers, [members.authority], authority.member(key))
        await taken_up(server)
        assert credentials_of(server).certificate == shown
    (papers / AUTHORITIES_FILE).unlink()
    await taken_up(server)
    told = warnings_of(party, server, "PARTY_FILES_UNUSABLE")
    assert len(told) == len(set(told)) == 6, told
    assert credentials_of(server).is_members_only
    assert party.events(downloader).of(PeerLost) == []


async def test_files_count_only_once_they_hold_still(party: Party) -> None:
    members, server, _ = await pair(party)
    new = members.enrol("server", end=7 * DAY)
    await watch_of(server).look()
    assert credentials_of(server).certificate != new
    await watch_of(server).look()
    assert credentials_of(server).certificate == new


async def test_who_proves_itself_again_is_itself(party: Party) -> None:
    members = Members(party)
    server = await members.start("server")
    member = await party.hostile(credentials=members.authority.credentials())
    other = await party.hostile(credentials=members.authority.credentials())
    connection = await member.dial(address_of(server))
    swapped = other.hello(connection, await member.nonce(connection))
    refused = refusal_in(decode_answer(await ask(connection, encode(swapped))))
    assert "another peer's" in refused.detail
    again = member.hello(connection, await member.nonce(connection))
    assert isinstance(decode_answer(await ask(connection, encode(again))), messages.HelloAck)
    replayed = decode_answer(await ask(connection, encode(again)))
    assert "Challenge first" in refusal_in(replayed).detail
    stranger = await party.hostile(key=member.key)
    outdated = stranger.hello(connection, await member.nonce(connection))
    assert refusal_in(decode_answer(await ask(connection, encode(outdated)))).reason
    assert isinstance(decode_answer(await ask(connection, encode(messages.Ping()))), messages.Pong)
