"""Members of a party find and serve each other; papers change and end without a restart."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from lanspread_peer.core import dial_policy
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.errors import InvalidCertificate
from lanspread_peer.model.events import PeerConnected, PeerLost
from lanspread_peer.model.ids import InstanceId
from lanspread_peer.model.limits import MAX_PARTY_FILE_BYTES
from lanspread_peer.runtime import renewals
from lanspread_peer.runtime.chunk_fetch import ChunkFetcher
from lanspread_peer.runtime.identity import Identity
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.storage.party_folder import AUTHORITIES_FILE, MEMBER_FILE
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire import messages
from lanspread_peer.wire.announcement import SERVICE_TYPE, Announcement
from lanspread_peer.wire.codec import decode_answer, encode
from support.game_trees import differences
from support.members import Members, credentials_of, turn_clock, warnings_of, watch_of
from support.papers import DAY, Authority, der_of, write_papers
from support.party import (
    AOE2,
    MIB,
    Party,
    address_of,
    change_settings,
    download,
    make_game,
    start_download,
    until,
    wait_bytes,
    wait_done,
    wait_sources,
)
from support.quic_pair import make_key
from support.quic_party import LOOPBACK, ask
from support.tls_party import RawCaller

GAME = make_game(6)


async def pair(
    party: Party, *, server_end: timedelta = 30 * DAY, client_end: timedelta = 30 * DAY
) -> tuple[Members, Sidecar, Sidecar]:
    """A server with a game and a downloader that is linked to it."""
    members = Members(party)
    server = await members.start("server", {AOE2: GAME}, end=server_end)
    downloader = await members.start("downloader", peers=(server,), end=client_end)
    await wait_sources(downloader, 1)
    return members, server, downloader


def connections_of(sidecar: Sidecar) -> list[Connection]:
    return list(sidecar._neighbourhood.links.live.values())


def papers_of(party: Party, name: str) -> Path:
    return party.root / name / "state" / "party"


async def taken_up(sidecar: Sidecar) -> None:
    """Have it look at its files often enough to believe them, and show what is new."""
    for _ in range(3):
        await watch_of(sidecar).look()
    await sidecar._neighbourhood.renew()


async def test_members_download_by_tls(party: Party) -> None:
    _, _, downloader = await pair(party)
    assert (await download(downloader)).state is DownloadState.FINISHED
    assert differences(party.game("server"), party.game("downloader")) == []
    assert [peer.transport for peer in downloader.peers()] == ["tls"]


async def test_members_download_by_quic(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    by_quic: list[object] = []
    fetch = ChunkFetcher.fetch

    async def counted(self: ChunkFetcher, *asked: object) -> None:
        by_quic.append(asked)
        await fetch(self, *asked)  # type: ignore[arg-type]

    monkeypatch.setattr(ChunkFetcher, "fetch", counted)
    members = Members(party)
    server = await members.start("server", {AOE2: GAME})
    server._neighbourhood.bulk_port = 0
    downloader = await members.start("downloader", peers=(server,))
    await wait_sources(downloader, 1)
    assert (await download(downloader)).state is DownloadState.FINISHED
    assert differences(party.game("server"), party.game("downloader")) == []
    assert by_quic


@pytest.mark.parametrize("expires", ["the dialled one", "the caller"])
async def test_who_expires_is_sent_away_at_once_and_both_front_ends_hear_why(
    party: Party, expires: str
) -> None:
    short = {"server_end" if expires == "the dialled one" else "client_end": 5 * DAY}
    _, server, downloader = await pair(party, **short)
    expired, other = (server, downloader) if expires == "the dialled one" else (downloader, server)
    turn_clock(other, 6 * DAY)
    await watch_of(other).look()
    lost = await party.events(other).wait_for(PeerLost)
    assert lost.detail == "CERTIFICATE_EXPIRED"
    there = await party.events(expired).wait_for(PeerLost)
    assert there.detail == "CERTIFICATE_EXPIRED"
    await until(lambda: warnings_of(party, other, "CERTIFICATE_EXPIRED"))
    # It dials again, or is dialled, and there its refusal comes with the reason.
    [status] = other.peers()
    assert status.refusal == "CERTIFICATE_EXPIRED"
    if expired is downloader:
        [said] = await until(lambda: warnings_of(party, expired, "CERTIFICATE_EXPIRED"))
        assert "does not let us in" in said
        await until(lambda: [p.refusal for p in expired.peers()] == ["CERTIFICATE_EXPIRED"])


async def test_a_connection_ends_without_anybody_asking(party: Party) -> None:
    _, server, _ = await pair(party, client_end=5 * DAY)
    turn_clock(server, 6 * DAY)
    lost = await party.events(server).wait_for(PeerLost)
    assert lost.detail == "CERTIFICATE_EXPIRED"


async def test_bulk_connections_end_with_their_owners_certificate(party: Party) -> None:
    members, server, _ = await pair(party)
    guest = await party.hostile(credentials=members.authority.credentials())
    caller = await RawCaller.open(server._neighbourhood.bulk_port)
    try:
        nonce = decode_answer(await caller.ask(messages.Challenge()))
        assert isinstance(nonce, messages.Nonce)
        identity = Identity(guest.peer_id, InstanceId("cd" * 16), "guest", guest.credentials)
        hello = identity.hello(
            server=server.status().peer_id,
            nonce=bytes.fromhex(nonce.nonce),
            listen_port=1,
            library_digest="",
            transport="tls",
        )
        assert isinstance(decode_answer(await caller.ask(hello)), messages.HelloAck)
        turn_clock(server, 31 * DAY)
        await watch_of(server).look()
        await caller.ended()
        assert guest.peer_id not in server._bulk.served
    finally:
        caller.close()


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


async def test_a_source_that_expires_in_the_middle_gives_no_more(party: Party) -> None:
    members = Members(party)
    server = await members.start("server", {AOE2: make_game(40)}, end=5 * DAY)
    downloader = await members.start("downloader", peers=(server,))
    await wait_sources(downloader, 1)
    await change_settings(downloader, download_bytes_per_second=MIB)
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    assert server._bulk.served, "it comes by TLS"
    turn_clock(downloader, 6 * DAY)
    await until(lambda: downloader.download(download_id).state is DownloadState.WAITING)
    await until(lambda: not server._bulk.served)


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
    for name, sidecar in (("server", server), ("downloader", downloader)):
        members.enrol(name, authority=new, trusted=[new, old])
        await taken_up(sidecar)
    for name, sidecar in (("server", server), ("downloader", downloader)):
        members.enrol(name, authority=new, trusted=[new])
        await taken_up(sidecar)
    assert (connections_of(server), connections_of(downloader)) == before
    key = make_key()
    late = await party.hostile(credentials=new.pretender(old.member(key), key))
    answer = decode_answer_of(await late.say_hello(await late.connect(address_of(server))))
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


def decode_answer_of(answer: messages.Message) -> messages.Refused:
    assert isinstance(answer, messages.Refused), answer
    return answer


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
    download_id = await start_download(downloader)
    await wait_bytes(downloader, download_id)
    for name, sidecar in (("server", server), ("downloader", downloader)):
        members.enrol(name, end=20 * DAY)
        await taken_up(sidecar)
    for sidecar in (server, downloader):
        turn_clock(sidecar, 6 * DAY)
        await watch_of(sidecar).look()
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


async def test_the_own_end_is_told_a_day_before_and_when_it_comes(party: Party) -> None:
    members = Members(party)
    member = await members.start("member", end=5 * DAY)
    hour = timedelta(hours=1)
    await watch_of(member).look()
    assert warnings_of(party, member, "OWN_CERTIFICATE_ENDS_SOON") == []
    turn_clock(member, 4 * DAY + hour)
    for _ in range(3):
        await watch_of(member).look()
    assert len(await until(lambda: warnings_of(party, member, "OWN_CERTIFICATE_ENDS_SOON"))) == 1
    turn_clock(member, 5 * DAY + hour)
    for _ in range(3):
        await watch_of(member).look()
    assert len(await until(lambda: warnings_of(party, member, "OWN_CERTIFICATE_EXPIRED"))) == 1


async def test_a_member_may_be_waiting_for_its_certificate(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever failed once is not dialled again within this test, unless there is a reason to.
    for delay in ("FIRST_DELAY_S", "MAX_DELAY_S"):
        monkeypatch.setattr(dial_policy, delay, 3600.0)
    members = Members(party)
    server = await members.start("server", {AOE2: GAME})
    write_papers(papers_of(party, "guest"), [members.authority])
    guest = await party.start("guest", peers=(server,))
    await until(lambda: warnings_of(party, guest, "NO_MEMBER_CERTIFICATE"))
    await until(lambda: warnings_of(party, guest, "NOT_A_MEMBER"))
    assert party.events(server).of(PeerConnected) == []
    members.enrol("guest")
    await taken_up(guest)
    await wait_sources(guest, 1)


@pytest.mark.parametrize("spoilt", ["no folder", "no authorities", "another's", "a strangers"])
async def test_a_party_that_cannot_be_kept_is_no_open_sidecar(party: Party, spoilt: str) -> None:
    members = Members(party)
    members.enrol("member")
    papers = papers_of(party, "member")
    settings = party.settings("member")
    if spoilt == "no folder":
        settings = replace(settings, party=str(party.root / "nowhere"))
    elif spoilt == "no authorities":
        (papers / AUTHORITIES_FILE).unlink()
    elif spoilt == "another's":
        key = members.authority.credentials().key
        write_papers(papers, [members.authority], members.authority.member(key))
    else:
        write_papers(papers, [Authority.make()])
    with pytest.raises(InvalidCertificate, match="party folder"):
        await party.start_with(settings)


async def test_who_proves_itself_again_is_itself(party: Party) -> None:
    members = Members(party)
    server = await members.start("server")
    member = await party.hostile(credentials=members.authority.credentials())
    other = await party.hostile(credentials=members.authority.credentials())
    connection = await member.dial(address_of(server))
    swapped = other.hello(connection, await member.nonce(connection))
    refused = decode_answer_of(decode_answer(await ask(connection, encode(swapped))))
    assert "another peer's" in refused.detail
    again = member.hello(connection, await member.nonce(connection))
    assert isinstance(decode_answer(await ask(connection, encode(again))), messages.HelloAck)
    replayed = decode_answer(await ask(connection, encode(again)))
    assert "Challenge first" in decode_answer_of(replayed).detail
    stranger = await party.hostile(key=member.key)
    outdated = stranger.hello(connection, await member.nonce(connection))
    assert decode_answer_of(decode_answer(await ask(connection, encode(outdated)))).reason
    assert isinstance(decode_answer(await ask(connection, encode(messages.Ping()))), messages.Pong)


async def test_the_announcement_of_a_member_says_no_more_than_any(
    party: Party,
) -> None:
    members = Members(party)
    members.enrol("a-name-to-hide")
    settings = replace(party.settings("a-name-to-hide"), mdns=True)
    member = await party.start_with(settings)
    status = member.status()
    announced = Announcement(status.peer_id, status.instance_id, 1, member._neighbourhood.port)
    looking = AsyncZeroconf(interfaces=[LOOPBACK], ip_version=IPVersion.V4Only)
    try:
        info = AsyncServiceInfo(SERVICE_TYPE, announced.service_name)

        async def seen() -> bool:
            with contextlib.suppress(TimeoutError):
                return await info.async_request(looking.zeroconf, 1000)
            return False

        async with asyncio.timeout(30):
            while not await seen():
                pass
        assert info.decoded_properties == {
            "id": status.peer_id,
            "in": status.instance_id,
            "v": "1",
            "port": str(member._neighbourhood.port),
        }
        assert info.server == f"{status.instance_id}.local."
        assert b"hide" not in info.text
    finally:
        await looking.async_close()
