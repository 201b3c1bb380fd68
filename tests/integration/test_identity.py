"""Nothing is answered to a caller that did not prove its id to this sidecar, on this connection."""

import msgspec
import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.events import PeerDiscovered, Warned
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.base import Connection
from lanspread_peer.transport.certificate import make_certificate
from lanspread_peer.transport.hello_proof import hello_chain, sign
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer, encode
from lanspread_peer.wire.hello_statement import hello_statement
from lanspread_peer.wire.messages import Message
from support.hostile_peer import HostilePeer, saying
from support.party import AOE2, Party, address_of, make_game, until
from support.quic_pair import make_key
from support.quic_party import ask

CONTENT = "12" * 32


async def called(party: Party) -> tuple[Sidecar, HostilePeer, Connection]:
    """A sidecar, and a stranger's connection on which nothing was said."""
    sidecar = await party.start("server", {AOE2: make_game(1)})
    stranger = await party.hostile()
    return sidecar, stranger, await stranger.connect(address_of(sidecar))


async def answer_to(connection: Connection, request: Message) -> Message:
    return decode_answer(await ask(connection, encode(request)))


async def refused_and_closed(
    party: Party, connection: Connection, hello: Message, reason: str
) -> None:
    answer = await answer_to(connection, hello)
    assert isinstance(answer, messages.Refused)
    assert reason in answer.detail
    assert reason in await connection.wait_closed()
    assert party.events(party.sidecars[0]).of(PeerDiscovered) == []


async def test_nothing_is_answered_before_the_caller_proved_its_id(party: Party) -> None:
    sidecar, stranger, connection = await called(party)
    for request in (
        messages.Ping(),
        messages.ListGames(),
        messages.GetGame(AOE2),
        messages.GetPeers(),
        messages.DialBack(),
        messages.Goodbye(),
    ):
        assert isinstance(await answer_to(connection, request), messages.Refused), request
    for raw in (
        messages.GetManifest(CONTENT),
        messages.GetGameFileData(CONTENT, "a"),
        messages.GetGameFileChunk(CONTENT, "a", 0, 1),
    ):
        with pytest.raises(errors.StreamReset) as caught:
            await ask(connection, encode(raw))
        assert caught.value.code == 6
    assert sidecar.status().counters.requests_served == 0
    assert isinstance(await stranger.say_hello(connection), messages.HelloAck)
    assert isinstance(await answer_to(connection, messages.Ping()), messages.Pong)


async def test_a_hello_without_a_challenge_is_refused(party: Party) -> None:
    _, stranger, connection = await called(party)
    hello = stranger.hello(connection, "00" * 32)
    await refused_and_closed(party, connection, hello, "Challenge first")


async def test_a_wrong_signature_is_refused(party: Party) -> None:
    _, stranger, connection = await called(party)
    hello = stranger.hello(connection, await stranger.nonce(connection))
    forged = msgspec.structs.replace(hello, signature=sign(make_key(), b"anything"))
    await refused_and_closed(party, connection, forged, "signature is wrong")


async def test_a_nonce_of_another_connection_is_refused(party: Party) -> None:
    sidecar, stranger, connection = await called(party)
    other = await stranger.connect(address_of(sidecar))
    await stranger.nonce(connection)
    hello = stranger.hello(other, await stranger.nonce(other))
    await refused_and_closed(party, connection, hello, "signature is wrong")


async def test_a_hello_that_was_meant_for_another_server_cannot_be_passed_on(party: Party) -> None:
    """A man in the middle hands the sidecar's nonce to its victim, and the victim's Hello on."""
    sidecar, stranger, connection = await called(party)
    victim = await party.hostile()
    to_stranger = await victim.connect(stranger.address)
    hello = victim.hello(to_stranger, await stranger.nonce(connection))
    await refused_and_closed(party, connection, hello, "signature is wrong")
    assert sidecar.status().peer_count == 0


async def test_a_hello_for_another_transport_is_refused(party: Party) -> None:
    sidecar, stranger, connection = await called(party)
    nonce = await stranger.nonce(connection)
    statement = hello_statement(
        transport="tls",
        server=sidecar.status().peer_id,
        client=stranger.peer_id,
        instance=stranger.instance,
        nonce=bytes.fromhex(nonce),
    )
    hello = stranger.hello(connection, nonce)
    moved = msgspec.structs.replace(hello, signature=sign(stranger.key, statement))
    await refused_and_closed(party, connection, moved, "signature is wrong")


async def test_an_id_that_is_not_the_callers_key_is_refused(party: Party) -> None:
    _, stranger, connection = await called(party)
    victim = await party.hostile()
    hello = stranger.hello(connection, await stranger.nonce(connection))
    claimed = msgspec.structs.replace(hello, peer_id=victim.peer_id)
    await refused_and_closed(party, connection, claimed, "another peer's")


async def test_the_certificate_of_another_does_not_help(party: Party) -> None:
    _, stranger, connection = await called(party)
    victim = await party.hostile()
    hello = stranger.hello(connection, await stranger.nonce(connection))
    claimed = msgspec.structs.replace(
        hello,
        peer_id=victim.peer_id,
        certificate_chain=list(hello_chain(make_certificate(victim.key))),
    )
    await refused_and_closed(party, connection, claimed, "signature is wrong")


async def test_a_nonce_is_given_and_used_once(party: Party) -> None:
    _, stranger, connection = await called(party)
    hello = stranger.hello(connection, await stranger.nonce(connection))
    assert isinstance(await answer_to(connection, messages.Challenge()), messages.Refused)
    assert isinstance(await answer_to(connection, hello), messages.HelloAck)
    again = await answer_to(connection, hello)
    assert isinstance(again, messages.Refused)
    assert "one Hello" in await connection.wait_closed()


async def test_a_nonce_is_good_for_one_try(party: Party) -> None:
    _, stranger, connection = await called(party)
    hello = stranger.hello(connection, await stranger.nonce(connection))
    forged = msgspec.structs.replace(hello, signature=sign(make_key(), b"anything"))
    assert isinstance(await answer_to(connection, forged), messages.Refused)
    await refused_and_closed(party, connection, hello, "")


async def test_a_caller_of_another_protocol_version_is_refused_and_told_of_once(
    party: Party,
) -> None:
    sidecar, stranger, _ = await called(party)
    for _ in range(2):
        connection = await stranger.connect(address_of(sidecar))
        hello = stranger.hello(connection, await stranger.nonce(connection))
        future = msgspec.structs.replace(hello, proto_min=2, proto_max=9)
        await refused_and_closed(party, connection, future, "speaks protocol 1")
    warned = await party.events(sidecar).wait_for(Warned)
    assert warned.code == "PROTOCOL_MISMATCH"
    assert stranger.peer_id in warned.message
    assert len(party.events(sidecar).of(Warned)) == 1


async def test_a_peer_of_another_protocol_version_is_not_linked_and_told_of_once(
    party: Party,
) -> None:
    hostile = await party.hostile()
    future = messages.HelloAck(hostile.peer_id, hostile.instance, "future", 2, 9, 1)
    hostile.answers[messages.Hello] = saying(future)
    sidecar = await party.start("sidecar", peers=(hostile,))
    await until(lambda: len(hostile.asked(messages.Hello)) >= 2)
    assert sidecar.status().peer_count == 0
    warned = [event.code for event in party.events(sidecar).of(Warned)]
    assert warned == ["PROTOCOL_MISMATCH"]


async def test_two_sidecars_prove_their_ids_to_each_other(party: Party) -> None:
    first = await party.start("first")
    second = await party.start("second", peers=(first,))
    await until(lambda: first.status().peer_count == second.status().peer_count == 1)
    assert party.events(first).of(Warned) == party.events(second).of(Warned) == []
