"""A peer whose library claims to change without end costs little, and its last word is heard."""

import asyncio

import msgspec

from lanspread_peer.model.events import GamesUpdated
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import encode
from lanspread_peer.wire.messages import Message
from support.hostile_peer import HostilePeer, honest, saying
from support.party import AOE2, Party, address_of, make_game, until, wait_sources
from support.quic_party import ask

ANSWER_S = 0.1


async def slow_library(peer: HostilePeer, stream: Stream, request: Message) -> None:
    """Another library each time, which takes a while to come."""
    await asyncio.sleep(ANSWER_S)
    peer.digest = f"{len(peer.requests):064x}"
    await honest(peer, stream, request)


async def push(connection: Connection, digest: int) -> None:
    await ask(connection, encode(messages.Ping(library_digest=f"{digest:064x}")))


async def test_hints_without_end_make_few_questions(party: Party) -> None:
    restless = await party.hostile({"doom": make_game(1)})
    restless.answers[messages.ListGames] = slow_library
    sidecar = await party.start("sidecar")
    connection = await restless.dial(address_of(sidecar))
    await until(lambda: bool(restless.asked(messages.ListGames)))
    loop = asyncio.get_running_loop()
    began = loop.time()
    asked = len(restless.asked(messages.ListGames))
    pushes = 0
    while loop.time() < began + 1.5:
        pushes += 1
        await push(connection, 10_000 + pushes)
    asked = len(restless.asked(messages.ListGames)) - asked
    # Without a rest there would be one for each time that an answer takes.
    assert asked <= 2 + (loop.time() - began) / (5 * ANSWER_S)
    assert pushes > 3 * asked
    restless.answers.clear()
    restless.offer(AOE2, make_game(1))
    await push(connection, 9)
    await wait_sources(sidecar, 1)


async def test_a_library_of_thousands_is_told_in_portions_and_whole(party: Party) -> None:
    crowded = await party.hostile()
    offer = crowded.offer(AOE2, make_game(1))
    lines = [msgspec.structs.replace(offer.line, id=f"game {number}") for number in range(1000)]
    crowded.answers[messages.ListGames] = saying(messages.Games(crowded.digest, lines))
    sidecar = await party.start("sidecar", peers=(crowded,))
    events = party.events(sidecar)
    await until(lambda: sum(len(each.titles) for each in events.of(GamesUpdated)) >= 1000)
    told = [shown.id for each in events.of(GamesUpdated) for shown in each.titles]
    assert sorted(told) == sorted(line.id for line in lines)
    assert max(len(each.titles) for each in events.of(GamesUpdated)) <= 250
