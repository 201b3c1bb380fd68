"""At a party strangers get nothing, whatever they show: as callers, as listeners, each way."""

from base64 import b64encode
from collections.abc import Callable

import msgspec
import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.events import PeerConnected, PeerDiscovered
from lanspread_peer.model.ids import InstanceId
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.identity import Identity
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.certificate import make_certificate
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.hello_proof import hello_chain, sign
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer, encode
from support.hostile_peer import HostilePeer
from support.members import Members, credentials_of, turn_clock, warnings_of
from support.papers import DAY, Authority, der_of, handmade
from support.party import AOE2, Party, address_of, make_game, until
from support.quic_pair import make_key
from support.quic_party import LOOPBACK, ask
from support.tls_party import RawCaller, TlsParty, read_all

NAME = "server-with-a-name"
STRANGER = '{"Refused":{"reason":"NOT_A_MEMBER"}}'
CONTENT = "12" * 32

Kind = Callable[[Authority], Credentials]


def with_no_papers(_authority: Authority) -> Credentials:
    return Credentials(make_key())


def of_another_party(authority: Authority) -> Credentials:
    key = make_key()
    return authority.pretender(Authority.make().member(key), key)


def signed_by_a_member(authority: Authority) -> Credentials:
    key, member_key = make_key(), make_key()
    forged = handmade(Authority(member_key, authority.member(member_key)), key)
    return authority.pretender(forged, key)


def with_an_authority_of_its_own_name(authority: Authority) -> Credentials:
    key = make_key()
    return authority.pretender(handmade(authority, key, signed_by=make_key()), key)


def as_an_authority(authority: Authority) -> Credentials:
    key = make_key()
    return authority.pretender(handmade(authority, key, is_authority=True), key)


def as_the_authority_without_its_key(authority: Authority) -> Credentials:
    return authority.pretender(authority.certificate, make_key())


STRANGERS: list[Kind] = [
    with_no_papers,
    of_another_party,
    signed_by_a_member,
    with_an_authority_of_its_own_name,
    as_an_authority,
]


def expired(authority: Authority) -> Credentials:
    key = make_key()
    return authority.pretender(authority.member(key, begin=-9 * DAY, end=-DAY), key)


def not_yet_valid(authority: Authority) -> Credentials:
    key = make_key()
    return authority.pretender(authority.member(key, begin=DAY, end=9 * DAY), key)


DATES = [(expired, "CERTIFICATE_EXPIRED"), (not_yet_valid, "CERTIFICATE_NOT_YET_VALID")]


async def server_of(party: Party) -> tuple[Sidecar, Members]:
    members = Members(party)
    return await members.start(NAME, {AOE2: make_game(1)}), members


def tls_hello(peer: HostilePeer, server: Sidecar, nonce: str) -> messages.Hello:
    identity = Identity(peer.peer_id, InstanceId("cd" * 16), "stranger", peer.credentials)
    return identity.hello(
        server=server.status().peer_id,
        nonce=bytes.fromhex(nonce),
        listen_port=1,
        library_digest="",
        transport="tls",
    )


def assert_nothing_known(party: Party, server: Sidecar) -> None:
    told = party.events(server)
    assert (told.of(PeerDiscovered), told.of(PeerConnected)) == ([], [])
    assert server.status().counters.requests_served <= 2, "only what a proof takes"


@pytest.mark.parametrize("kind", STRANGERS, ids=lambda kind: kind.__name__)
async def test_a_stranger_that_calls_by_quic_is_told_that_it_is_one_and_no_more(
    party: Party, kind: Kind
) -> None:
    server, members = await server_of(party)
    stranger = await party.hostile(credentials=kind(members.authority))
    connection = await stranger.connect(address_of(server))
    hello = stranger.hello(connection, await stranger.nonce(connection))
    assert (await ask(connection, encode(hello))).decode() == STRANGER
    assert await connection.wait_closed() == "NOT_A_MEMBER"
    assert stranger.requests == []
    assert_nothing_known(party, server)
    assert warnings_of(party, server, "NOT_A_MEMBER") == []


@pytest.mark.parametrize("kind", STRANGERS, ids=lambda kind: kind.__name__)
async def test_a_stranger_that_calls_by_tls_is_told_that_it_is_one_and_no_more(
    party: Party, kind: Kind
) -> None:
    server, members = await server_of(party)
    stranger = await party.hostile(credentials=kind(members.authority))
    caller = await RawCaller.open(server._neighbourhood.bulk_port)
    try:
        nonce = decode_answer(await caller.ask(messages.Challenge()))
        assert isinstance(nonce, messages.Nonce)
        assert (await caller.ask(tls_hello(stranger, server, nonce.nonce))).decode() == STRANGER
        assert await caller.body() == b"", "it hangs up"
    finally:
        caller.close()
    assert_nothing_known(party, server)


@pytest.mark.parametrize(("kind", "reason"), DATES)
async def test_a_member_out_of_its_time_is_told_so_on_both_ways(
    party: Party, kind: Kind, reason: str
) -> None:
    server, members = await server_of(party)
    late = await party.hostile(credentials=kind(members.authority))
    answer = await late.say_hello(await late.connect(address_of(server)))
    assert isinstance(answer, messages.Refused)
    assert answer.reason == reason
    assert " UTC" in answer.detail
    [warning] = await until(lambda: warnings_of(party, server, reason))
    assert late.peer_id in warning
    [status] = [each for each in server.peers() if each.id == late.peer_id]
    assert status.refusal == reason
    caller = await RawCaller.open(server._neighbourhood.bulk_port)
    try:
        nonce = decode_answer(await caller.ask(messages.Challenge()))
        assert isinstance(nonce, messages.Nonce)
        by_tls = decode_answer(await caller.ask(tls_hello(late, server, nonce.nonce)))
        assert by_tls == answer
    finally:
        caller.close()
    assert len(warnings_of(party, server, reason)) == 1


async def test_whoever_skips_the_hello_is_refused_everything(party: Party) -> None:
    server, _ = await server_of(party)
    stranger = await party.hostile()
    connection = await stranger.connect(address_of(server))
    for request in (
        messages.Ping(),
        messages.ListGames(),
        messages.GetGame(AOE2),
        messages.GetPeers(),
        messages.DialBack(),
        messages.Goodbye(),
    ):
        answer = decode_answer(await ask(connection, encode(request)))
        assert answer == messages.Refused("expected Challenge and Hello first"), request
    for raw in (
        messages.GetManifest(CONTENT),
        messages.GetAvailability(CONTENT),
        messages.GetGameFileData(CONTENT, "a"),
        messages.GetGameFileChunk(CONTENT, "a", 0, 1),
        messages.GetChunks(CONTENT, 0, 1),
        messages.GetAnyChunk(CONTENT, "AAAA"),
    ):
        with pytest.raises(errors.StreamReset) as caught:
            await ask(connection, encode(raw))
        assert caught.value.code == 6
    caller = await RawCaller.open(server._neighbourhood.bulk_port)
    try:
        chunks = decode_answer(await caller.ask(messages.GetChunks(CONTENT, 0, 1)))
        assert chunks == messages.Refused("expected Challenge and Hello first")
    finally:
        caller.close()
    assert_nothing_known(party, server)


Change = Callable[[messages.Hello, HostilePeer], messages.Hello]


def a_members_chain(hello: messages.Hello, member: HostilePeer) -> messages.Hello:
    return msgspec.structs.replace(hello, certificate_chain=list(member.credentials.chain))


def a_members_chain_and_id(hello: messages.Hello, member: HostilePeer) -> messages.Hello:
    return msgspec.structs.replace(a_members_chain(hello, member), peer_id=member.peer_id)


def a_members_chain_behind_its_own(hello: messages.Hello, member: HostilePeer) -> messages.Hello:
    chain = [*hello.certificate_chain, *member.credentials.chain]
    return msgspec.structs.replace(hello, certificate_chain=chain)


def garbage(hello: messages.Hello, _member: HostilePeer) -> messages.Hello:
    return msgspec.structs.replace(hello, certificate_chain=[b64encode(b"0" * 900).decode()])


def no_base64(hello: messages.Hello, _member: HostilePeer) -> messages.Hello:
    return msgspec.structs.replace(hello, certificate_chain=["\u00e9!"])


def a_wrong_signature(hello: messages.Hello, _member: HostilePeer) -> messages.Hello:
    return msgspec.structs.replace(hello, signature=sign(make_key(), b"anything"))


@pytest.mark.parametrize(
    "change",
    [
        a_members_chain,
        a_members_chain_and_id,
        a_members_chain_behind_its_own,
        garbage,
        no_base64,
        a_wrong_signature,
    ],
)
async def test_no_other_form_of_hello_helps_a_stranger(party: Party, change: Change) -> None:
    server, members = await server_of(party)
    member = await party.hostile(credentials=members.authority.credentials())
    stranger = await party.hostile()
    connection = await stranger.connect(address_of(server))
    hello = change(stranger.hello(connection, await stranger.nonce(connection)), member)
    assert (await ask(connection, encode(hello))).decode() == STRANGER
    assert await connection.wait_closed() == "NOT_A_MEMBER"
    assert all(peer.id != member.peer_id or not peer.refusal for peer in server.peers())
    assert_nothing_known(party, server)


async def test_a_longer_chain_is_refused_even_when_it_begins_well(party: Party) -> None:
    server, members = await server_of(party)
    member = await party.hostile(credentials=members.authority.credentials())
    connection = await member.connect(address_of(server))
    hello = member.hello(connection, await member.nonce(connection))
    chain = [*hello.certificate_chain, *hello_chain(members.authority.certificate)]
    longer = msgspec.structs.replace(hello, certificate_chain=chain)
    assert (await ask(connection, encode(longer))).decode() == STRANGER
    five = msgspec.structs.replace(hello, certificate_chain=[*chain, *chain, *chain])
    again = await member.connect(address_of(server))
    answer = decode_answer(await ask(again, encode(five)))
    assert isinstance(answer, messages.Refused)
    assert isinstance(await member.say_hello(again), messages.HelloAck), "the right one is let in"


@pytest.mark.parametrize(
    ("kind", "reason"), [*((kind, "NOT_A_MEMBER") for kind in STRANGERS), *DATES]
)
async def test_nothing_is_said_to_a_listener_that_is_no_member(
    party: Party, kind: Kind, reason: str
) -> None:
    members = Members(party)
    listener = await party.hostile({AOE2: make_game(1)}, credentials=kind(members.authority))
    member = await members.start("member")
    with pytest.raises(errors.PeerUnreachable, match=reason):
        await member.add_peer(address_of(listener))
    await until(lambda: listener.accepted)
    assert await listener.accepted[0].wait_closed() == reason
    assert listener.requests == []
    assert party.events(member).of(PeerConnected) == []


@pytest.mark.parametrize(
    ("kind", "reason"), [*((kind, "NOT_A_MEMBER") for kind in STRANGERS), *DATES]
)
async def test_nothing_is_said_to_a_bulk_port_that_is_no_members(
    party: Party, kind: Kind, reason: str
) -> None:
    members = Members(party)
    member = await members.start("member")
    stranger = kind(members.authority)
    tls = TlsParty()
    try:
        server = tls.open(credentials=stranger)
        back = member._bulk._dialler._dialling
        address = Address(LOOPBACK, server.port)
        with pytest.raises(errors.NotAMember) as caught:
            await back.dial(address, stranger.peer_id)
        assert caught.value.reason == reason
        peer = member._bulk._client.peer(address, stranger.peer_id)
        with pytest.raises(errors.NotAMember):
            await peer.fetch(messages.GetChunks(CONTENT, 0, 1), read_all)
        assert tls.hosts[server].requests == []
    finally:
        await tls.close()


async def test_a_member_that_asks_for_its_own_end_is_served(party: Party) -> None:
    """The same questions that strangers are refused, so that no refusal is for another reason."""
    server, members = await server_of(party)
    member = await party.hostile(credentials=members.authority.credentials())
    connection = await member.dial(address_of(server))
    answer = decode_answer(await ask(connection, encode(messages.ListGames())))
    assert isinstance(answer, messages.Games)
    assert [game.id for game in answer.games] == [AOE2]


async def test_a_stranger_at_the_door_sees_no_name_in_the_certificate(party: Party) -> None:
    server, members = await server_of(party)
    stranger = await party.hostile()
    connection = await stranger.connect(address_of(server))
    shown = connection._quic.peer_certificate()  # type: ignore[attr-defined]
    assert shown == credentials_of(server).member
    words = der_of(shown)
    assert b"Summer LAN" in der_of(members.authority.certificate)
    for secret in (b"Summer LAN", NAME.encode()):
        assert secret not in words


async def test_an_open_sidecar_and_a_member_see_nothing_of_each_other(party: Party) -> None:
    server, _ = await server_of(party)
    outside = await party.start("outside", {AOE2: make_game(1)}, peers=(server,))
    [told] = await until(lambda: warnings_of(party, outside, "NOT_A_MEMBER"))
    assert server.status().peer_id in told
    with pytest.raises(errors.PeerUnreachable):
        await server.add_peer(address_of(outside))
    [status] = outside.peers()
    assert status.refusal == "NOT_A_MEMBER"
    assert status.name == ""
    for sidecar in (server, outside):
        assert party.events(sidecar).of(PeerConnected) == []


async def test_a_clock_that_is_wrong_keeps_even_members_out(party: Party) -> None:
    server, members = await server_of(party)
    turn_clock(server, 60 * DAY)
    member = await party.hostile(credentials=members.authority.credentials())
    answer = await member.say_hello(await member.connect(address_of(server)))
    assert isinstance(answer, messages.Refused)
    assert answer.reason == "CERTIFICATE_EXPIRED"


def test_a_stranger_with_the_authoritys_certificate_cannot_even_shake_hands() -> None:
    """TLS proves the key behind a certificate, so that this one needs no rule of ours."""
    credentials = as_the_authority_without_its_key(Authority.make())
    with pytest.raises(OSError, match=r"KEY_VALUES_MISMATCH|key values mismatch"):
        credentials.server_context()
    assert make_certificate(credentials.key) != credentials.certificate
