"""Members of a party find and serve each other, until their certificates end."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from lanspread_peer.core import dial_policy
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.errors import InvalidCertificate
from lanspread_peer.model.events import PeerConnected, PeerLost
from lanspread_peer.model.ids import InstanceId
from lanspread_peer.runtime.chunk_fetch import ChunkFetcher
from lanspread_peer.runtime.identity import Identity
from lanspread_peer.storage.party_folder import AUTHORITIES_FILE
from lanspread_peer.wire import messages
from lanspread_peer.wire.announcement import SERVICE_TYPE, Announcement
from lanspread_peer.wire.codec import decode_answer
from support.game_trees import differences
from support.hostile_peer import silent
from support.members import (
    Members,
    pair,
    papers_of,
    taken_up,
    turn_clock,
    warnings_of,
    watch_of,
)
from support.papers import DAY, Authority, write_papers
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
    wait_sources,
)
from support.quic_pair import make_key
from support.quic_party import LOOPBACK
from support.tls_party import RawCaller


@pytest.mark.usefixtures("slow_ways_work")
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
    server = await members.start("server", {AOE2: make_game(6)})
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


@pytest.mark.parametrize("calls", [False, True])
async def test_who_expires_loses_also_the_connection_that_it_never_lets_us_greet(
    party: Party, calls: bool
) -> None:
    members = Members(party)
    key = make_key()
    member = members.authority.member(key, end=5 * DAY)
    guest = await party.hostile(credentials=members.authority.credentials(key, member))
    guest.answers[messages.Challenge] = silent
    members.enrol("server")
    server = await party.start("server", peers=(guest,))
    await until(lambda: guest.asked(messages.Challenge) != [])
    connections = [guest.accepted[0]]
    if calls:
        connections.append(await guest.dial(address_of(server)))
    turn_clock(server, 6 * DAY)
    await watch_of(server).look()
    ends = [await connection.wait_closed() for connection in connections]
    assert set(ends) == {"CERTIFICATE_EXPIRED"}


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
    server = await members.start("server", {AOE2: make_game(6)})
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
