"""One hostile peer as a process of its own, which speaks the real protocol over the real transport.

    hostile_process.py MODE --bind 127.0.0.11 --game GAME_FOLDER
    hostile_process.py MODE --bind 127.0.0.11 --target HOST:PORT

A source offers the game in the folder and answers as its mode says; a caller attacks the target.
It prints its address as one JSON line once it listens, and ends when its standard input does.

Floods keep to a rate and to a low priority, as they share the cores of one machine with their
victim: what a test is to see is what they cost the victim, not what they cost the machine.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import socket
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import msgspec
from aioquic.quic.connection import QuicConnection
from aioquic.quic.stream import QuicStreamSender

from lanspread_peer.model.errors import LanspreadError
from lanspread_peer.model.limits import MAX_REQUEST_BYTES, MAX_STREAMS_PER_CONNECTION, MIB
from lanspread_peer.model.peer import Address, split_host_port
from lanspread_peer.runtime.clock import today
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.transport.quic_connection import PeerConnection
from lanspread_peer.transport.quic_stream import PeerStream
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer, encode
from lanspread_peer.wire.manifest_codec import content_id_of, decode_manifest
from lanspread_peer.wire.messages import Message
from support.forged_manifests import forged_manifests
from support.game_trees import shared_files
from support.hostile_peer import (
    Answer,
    HostilePeer,
    altered,
    bytes_asked,
    dripping_any,
    endless,
    halfway,
    resetting,
    saying,
    silent,
)
from support.json_bombs import json_bombs
from support.quic_pair import configuration, scatter
from support.quic_party import ask

FLOOD_PER_S = 200
CONNECTIONS_PER_S = 20
DRIP_S = 1.0
_HELD_SOCKETS = 200
_DATA = (messages.GetGameFileChunk, messages.GetGameFileData)


# Answers of sources.


async def drip(peer: HostilePeer, stream: Stream, request: Message) -> None:
    """The right bytes, one a second."""
    assert isinstance(request, _DATA)
    for byte in bytes_asked(peer, request):
        await stream.send(bytes([byte]))
        await asyncio.sleep(DRIP_S)


async def lie(peer: HostilePeer, stream: Stream, request: Message) -> None:
    """As many bytes as were asked for, and all of them wrong."""
    assert isinstance(request, _DATA)
    await stream.send(b"\xee" * len(bytes_asked(peer, request)), end=True)


async def scattered(_peer: HostilePeer, stream: Stream, _request: Message) -> None:
    """Single bytes at offsets with gaps, or one byte far beyond all windows."""
    assert isinstance(stream, PeerStream)
    quic = stream._quic
    sender = quic._streams[stream.id].sender
    if random.random() < 0.5:
        scatter(sender, 4000)
    else:
        ignore_limits(quic, stream.id)
        jump(sender, 64 * MIB)
    stream._transmit_soon()
    await asyncio.sleep(30)


def jump(sender: QuicStreamSender, offset: int) -> None:
    """Have a sender send one byte at this offset and nothing before."""
    sender.write(bytes(offset + 1))
    sender._pending.subtract(0, offset)


def ignore_limits(quic: QuicConnection, stream_id: int) -> None:
    """Know no flow control."""
    quic._remote_max_data = 1 << 40
    quic._streams[stream_id].max_stream_data_remote = 1 << 40


def restless(answers: list[bytes]) -> dict[type[Message], Answer]:
    """Another library with each ping, and these answers to whoever asks for it."""
    bombs = cycle(answers)

    async def pong(_peer: HostilePeer, stream: Stream, _request: Message) -> None:
        digest = random.randbytes(32).hex()
        await stream.send(encode(messages.Pong(digest)), end=True)

    async def bomb(_peer: HostilePeer, stream: Stream, _request: Message) -> None:
        await stream.send(next(bombs), end=True)

    kinds = (messages.ListGames, messages.GetGame, messages.GetPeers)
    return {messages.Ping: pong, **dict.fromkeys(kinds, bomb)}


def crowded_library(peer: HostilePeer, number: int) -> bytes:
    """As many games as a library may have, made up, and the one that is offered."""
    line = next(iter(peer.offers.values())).line
    lines = [
        msgspec.structs.replace(line, id=f"made up {number} {index}", name="\u2603" * 150)
        for index in range(4000)
    ]
    return encode(messages.Games(random.randbytes(32).hex(), [*lines, line]))


def both(answer: Answer) -> dict[type[Message], Answer]:
    """So for chunks and for whole files."""
    return dict.fromkeys(_DATA, answer)


def everything(answer: Answer) -> dict[type[Message], Answer]:
    """So for all that is long."""
    kinds = (messages.ListGames, messages.GetGame, messages.GetPeers, messages.GetManifest)
    return {**dict.fromkeys(kinds, answer), **both(answer)}


SOURCES: dict[str, Callable[[HostilePeer], dict[type[Message], Answer]]] = {
    "wrong-bytes": lambda _: both(lie),
    "truncated": lambda _: both(altered(lambda data: data[:-1])),
    "oversized": lambda _: both(altered(lambda data: data + bytes(MIB))),
    "stalled": lambda _: {messages.GetManifest: silent, **both(silent)},
    "dripping": lambda _: {messages.GetManifest: dripping_any, **both(drip)},
    "refusing": lambda _: both(resetting(99)),
    "halfway": lambda _: {messages.GetGameFileChunk: halfway(6)},
    "lying-manifest": lambda _: {messages.GetManifest: saying(b"{}\n"), **both(lie)},
    "endless": lambda _: {messages.GetManifest: endless, **both(endless)},
    "endless-all": lambda _: everything(endless),
    "sparse": lambda _: {messages.GetManifest: scattered, **both(scattered)},
    "bombs": lambda _: {**restless(json_bombs(4 * MIB)), **both(lie)},
    "library": lambda peer: {
        **restless([crowded_library(peer, number) for number in range(3)]),
        **both(lie),
    },
}
FORGED = forged_manifests()


def offer_forged(peer: HostilePeer, name: str) -> None:
    """A later version than all others, whose manifest has the right id and lies in its sense."""
    data = FORGED[name]()
    [offer] = peer.offers.values()
    offer.manifest_bytes = data
    offer.content_id = content_id_of(data)
    version = (today() + timedelta(days=1)).strftime("%Y%m%d")
    offer.line = msgspec.structs.replace(offer.line, content_id=offer.content_id, version=version)


# What callers do.


async def half_open_handshakes(peer: HostilePeer, target: Address) -> None:
    """First datagrams of ever new connections, from ever new ports."""
    opened: list[socket.socket] = []
    while True:
        client = QuicConnection(configuration=configuration(is_client=True))
        client.connect((target.host, target.port), now=0.0)
        port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        port.bind((peer.bind, 0))
        opened.append(port)
        for datagram, _ in client.datagrams_to_send(now=0.0):
            port.sendto(datagram, (target.host, target.port))
        while len(opened) > _HELD_SOCKETS:
            opened.pop(0).close()
        await asyncio.sleep(1 / FLOOD_PER_S)


async def silent_connections(peer: HostilePeer, target: Address) -> None:
    """Whole handshakes, and never a word after them."""
    held: list[Connection] = []
    while True:
        held = [connection for connection in held if not connection.is_closed]
        if len(held) < MAX_STREAMS_PER_CONNECTION:
            with contextlib.suppress(LanspreadError):
                held.append(await peer.connect(target))
        await asyncio.sleep(1 / CONNECTIONS_PER_S)


async def cut_streams(peer: HostilePeer, target: Address) -> None:
    """Streams that are cut as soon as they are opened."""
    connection = await peer.dial(target)
    assert isinstance(connection, PeerConnection)
    while not connection.is_closed:
        with contextlib.suppress(LanspreadError):
            stream = connection.open_stream()
            connection._quic.send_stream_data(stream.id, b"x")
            stream.reset(1)
        await asyncio.sleep(1 / FLOOD_PER_S)


async def slow_requests(peer: HostilePeer, target: Address) -> None:
    """As many requests as there may be, a byte of each now and then."""
    connection = await peer.dial(target)

    async def drip_one() -> None:
        stream = connection.open_stream()
        for byte in encode(messages.GetGame(id="a" * 200)):
            await stream.send(bytes([byte]))
            await asyncio.sleep(DRIP_S)

    await gather([drip_one() for _ in range(MAX_STREAMS_PER_CONNECTION)])


async def slow_readers(peer: HostilePeer, target: Address) -> None:
    """All the bytes that may be asked for, taken a little before each patience ends."""
    connection = await peer.dial(target)
    [line, *_] = await games_of(connection)
    data = await ask(connection, encode(messages.GetManifest(content_id=line.content_id)))
    manifest = decode_manifest(data, content_id_of(data))
    entry = max(manifest.files, key=lambda file: file.size)

    async def read_one(number: int) -> None:
        offset = number % entry.chunk_count * entry.chunk_size
        stream = connection.open_stream()
        request = messages.GetGameFileChunk(
            content_id=line.content_id,
            relative_path=entry.path,
            offset=offset,
            length=min(entry.chunk_size, entry.size - offset),
        )
        await stream.send(encode(request), end=True)
        while await stream.receive():  # noqa: ASYNC110 - to be slow is the point
            await asyncio.sleep(4 * DRIP_S)

    await gather([read_one(number) for number in range(MAX_STREAMS_PER_CONNECTION)])


async def bomb_requests(peer: HostilePeer, target: Address) -> None:
    """Requests that mean to cost whoever decodes them."""
    connection = await peer.dial(target)
    for bomb in cycle(json_bombs(MAX_REQUEST_BYTES) + json_bombs(2 * MAX_REQUEST_BYTES)):
        with contextlib.suppress(LanspreadError, TimeoutError):
            async with asyncio.timeout(1):
                await ask(connection, bomb)
        if connection.is_closed:
            return
        await asyncio.sleep(1 / FLOOD_PER_S)


async def sparse_requests(peer: HostilePeer, target: Address) -> None:
    """Requests in single bytes with gaps, and one byte far beyond all windows."""
    for far in (False, True):
        connection = await peer.connect(target)
        assert isinstance(connection, PeerConnection)
        quic = connection._quic
        for _ in range(MAX_STREAMS_PER_CONNECTION // 2):
            stream = connection.open_stream()
            if far:
                ignore_limits(quic, stream.id)
                jump(quic._streams[stream.id].sender, 8 * MIB)
            else:
                scatter(quic._streams[stream.id].sender, 900)
        connection.settle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await connection.wait_closed()
        connection.close()


async def endless_questions(peer: HostilePeer, target: Address) -> None:
    """All that costs most to answer, again and again."""
    connection = await peer.dial(target)
    [line, *_] = await games_of(connection)
    questions = cycle(
        [
            messages.ListGames(),
            messages.GetManifest(content_id=line.content_id),
            messages.GetPeers(),
            messages.GetGame(id=line.id),
        ]
    )
    while not connection.is_closed:
        with contextlib.suppress(LanspreadError):
            await ask(connection, encode(next(questions)))
        await asyncio.sleep(1 / FLOOD_PER_S)


CALLERS: dict[str, Callable[[HostilePeer, Address], Awaitable[None]]] = {
    "half-open": half_open_handshakes,
    "silent-connections": silent_connections,
    "cut-streams": cut_streams,
    "slow-requests": slow_requests,
    "slow-readers": slow_readers,
    "bomb-requests": bomb_requests,
    "sparse-requests": sparse_requests,
    "endless-questions": endless_questions,
}


async def games_of(connection: Connection) -> list[messages.GameLine]:
    """The library of the other end."""
    answer = decode_answer(await ask(connection, encode(messages.ListGames())))
    assert isinstance(answer, messages.Games)
    return answer.games


async def gather(attacks: list[Awaitable[None]]) -> None:
    """All of them, until all have ended somehow."""
    await asyncio.gather(*attacks, return_exceptions=True)


async def attack(peer: HostilePeer, mode: str, target: Address) -> None:
    """Attack for ever, again from the start whenever the victim ends it."""
    while True:
        with contextlib.suppress(LanspreadError, AssertionError):
            await CALLERS[mode](peer, target)
        await asyncio.sleep(1 / CONNECTIONS_PER_S)


async def run(arguments: argparse.Namespace) -> None:
    peer = HostilePeer.open(bind=arguments.bind)
    peer.name = arguments.mode
    if arguments.game is not None:
        peer.offer(arguments.game.name, shared_files(arguments.game))
    tasks: list[asyncio.Task[None]] = []
    if arguments.mode in FORGED:
        offer_forged(peer, arguments.mode)
    elif arguments.mode in SOURCES:
        peer.answers.update(SOURCES[arguments.mode](peer))
    else:
        target = split_host_port(arguments.target, "target")
        loop = asyncio.get_running_loop()
        tasks.append(loop.create_task(attack(peer, arguments.mode, Address(*target))))
    print(json.dumps({"address": str(peer.address)}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await peer.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=[*SOURCES, *FORGED, *CALLERS])
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--game", type=Path)
    parser.add_argument("--target", default="")
    if hasattr(os, "nice"):
        os.nice(5)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
