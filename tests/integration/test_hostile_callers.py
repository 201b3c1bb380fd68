"""What strangers may ask a sidecar: nothing outside the index is served, and nobody stops it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lanspread_peer.core import upload_queue
from lanspread_peer.model import errors
from lanspread_peer.model.limits import (
    MAX_QUEUED_UPLOADS_PER_PEER,
    MAX_REQUEST_BYTES,
    MAX_UPLOADS,
    STALL_TIMEOUT_S,
)
from lanspread_peer.model.live_settings import ChosenSettings
from lanspread_peer.runtime import library, peer_server, uploads
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport import quic_stream
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer, encode
from lanspread_peer.wire.messages import Message
from support.party import AOE2, KIB, MIB, Party, address_of, content_of, make_game, title, until
from support.quic_party import ask, receive_all

CANARY = b"CANARY-0123456789"
GAME = {**make_game(1), "big.bin": bytes(700 * KIB)}
HIDDEN = {"local/save": CANARY, ".secret": CANARY, "data/.git": CANARY, "Thumbs.db": CANARY}


async def server(party: Party) -> tuple[Sidecar, Connection, str]:
    """A sidecar with canaries all around its game, a stranger's connection, and the content id."""
    sidecar = await party.start("server", {AOE2: {**GAME, **HIDDEN}})
    (party.root / "server" / "canary").write_bytes(CANARY)
    (party.games("server") / "canary").write_bytes(CANARY)
    stranger = await party.hostile()
    connection = await stranger.dial(address_of(sidecar))
    return sidecar, connection, content_of(sidecar)


async def answer_to(connection: Connection, request: bytes | Message) -> Message:
    data = request if isinstance(request, bytes) else encode(request)
    return decode_answer(await ask(connection, data))


async def reset_code(connection: Connection, request: bytes | Message) -> int:
    with pytest.raises(errors.StreamReset) as caught:
        await ask(connection, request if isinstance(request, bytes) else encode(request))
    return caught.value.code


async def test_nonsense_is_refused_and_an_unknown_request_is_unsupported(party: Party) -> None:
    _, connection, _ = await server(party)
    for nonsense in (
        b"",
        b"{",
        b"\xff",
        b"null",
        b'{"Ping":{},"Pong":{}}',
        b'{"GetGame":{"id":"a","id":"b"}}',
        b'{"GetGame":{}}',
        b'{"GetGame":{"id":7}}',
        b"[" * 1000,
    ):
        assert isinstance(await answer_to(connection, nonsense), messages.Refused), nonsense
    for unknown in (b'"Reboot"', b'{"GetSecrets":{"all":true}}', b'"Pong"'):
        assert await answer_to(connection, unknown) == messages.Unsupported()
    assert isinstance(await answer_to(connection, messages.Ping()), messages.Pong)


async def test_a_request_may_have_64_kib_and_not_a_byte_more(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It would be refused for its slowness in the end.
    monkeypatch.setattr(peer_server, "REQUEST_TIMEOUT_S", 1000.0)
    _, connection, _ = await server(party)
    short = b'{"Ping":{"x":""}}'
    largest = b'{"Ping":{"x":"%s"}}' % (b"y" * (MAX_REQUEST_BYTES - len(short)))
    assert len(largest) == MAX_REQUEST_BYTES
    assert isinstance(await answer_to(connection, largest), messages.Pong)
    # Without an end, so that only counting can tell.
    stream = connection.open_stream()
    await stream.send(largest.replace(b"y", b"yy", 1))
    async with asyncio.timeout(30):
        assert isinstance(decode_answer(await receive_all(stream)), messages.Refused)


async def test_a_slow_loris_is_cut_off(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_server, "REQUEST_TIMEOUT_S", 0.4)
    _, connection, _ = await server(party)
    stream = connection.open_stream()
    answer = asyncio.ensure_future(receive_all(stream))
    try:
        for byte in b'{"GetGame":' + b" " * 200:
            if answer.done():
                break
            await stream.send(bytes([byte]))
            await asyncio.sleep(0.02)
    except errors.StreamReset:
        pass
    assert isinstance(decode_answer(await answer), messages.Refused)


PATHS = [
    "../../canary",
    "../canary",
    "canary",
    "local/save",
    ".secret",
    "data/.git",
    "Thumbs.db",
    "data",
    "data/maps/../../../canary",
    "/etc/passwd",
    "aoe2.eti/",
    "./aoe2.eti",
    "AOE2.ETI",
    "data\\maps\\arena.rms",
    "aoe2.eti\0",
    "~/.ssh/id_rsa",
]


async def test_only_paths_in_the_index_are_served(party: Party) -> None:
    sidecar, connection, content_id = await server(party)
    absolute = str(party.games("server") / "canary")
    for path in [*PATHS, absolute, f"{party.games('server')}/aoe2/aoe2.eti"]:
        whole = messages.GetGameFileData(content_id, path)
        assert await reset_code(connection, whole) == 3, path
        chunk = messages.GetGameFileChunk(content_id, path, 0, 10)
        assert await reset_code(connection, chunk) == 3, path
    assert sidecar.status().counters.sent_bytes == 0


async def test_no_link_leads_out_of_the_game_folder(party: Party) -> None:
    outside = party.root / "outside"
    outside.mkdir()
    (outside / "canary").write_bytes(CANARY)
    game = party.game("server")
    game.mkdir(parents=True)
    (game / "link.txt").symlink_to(outside / "canary")
    (game / "folder").symlink_to(outside)
    sidecar, connection, content_id = await server(party)
    for path in ("link.txt", "folder/canary", "folder"):
        assert await reset_code(connection, messages.GetGameFileData(content_id, path)) == 3
    # Also when a file becomes a link after it was hashed.
    (game / "big.bin").unlink()
    (game / "big.bin").symlink_to(outside / "canary")
    request = messages.GetGameFileData(content_id, "big.bin")
    assert await reset_code(connection, request) in (2, 3)
    assert sidecar.status().counters.sent_bytes == 0


async def test_a_range_must_lie_in_one_file_and_one_chunk(party: Party) -> None:
    _, connection, content_id = await server(party)
    size = 700 * KIB
    for offset, length in ((size, 1), (size - 1, 2), (0, 256 * KIB + 1), (2**40, 1)):
        request = messages.GetGameFileChunk(content_id, "big.bin", offset, length)
        assert await reset_code(connection, request) == 6
    for offset, length in ((-1, 10), (0, 0), (0, -5), (0, 5 * MIB), (2**70, 1)):
        fields = {
            "content_id": content_id,
            "relative_path": "big.bin",
            "offset": offset,
            "length": length,
        }
        raw = json.dumps({"GetGameFileChunk": fields}).encode()
        assert isinstance(await answer_to(connection, raw), messages.Refused)
    last = messages.GetGameFileChunk(content_id, "big.bin", size - 1, 1)
    assert await ask(connection, encode(last)) == b"\0"


async def test_content_that_is_not_offered_is_not_found(party: Party) -> None:
    _, connection, _ = await server(party)
    unknown = "12" * 32
    for request in (
        messages.GetManifest(unknown),
        messages.GetGameFileData(unknown, "big.bin"),
        messages.GetGameFileChunk(unknown, "big.bin", 0, 1),
    ):
        assert await reset_code(connection, request) == 3
    assert await answer_to(connection, messages.GetGame("quake")) == messages.NotFound()


async def test_no_answer_to_any_request_names_a_folder_of_this_machine(party: Party) -> None:
    sidecar, connection, content_id = await server(party)
    requests: list[bytes | Message] = [
        messages.ListGames(),
        messages.GetGame(AOE2),
        messages.GetPeers(),
        messages.Ping(),
        messages.Goodbye(),
        messages.GetManifest(content_id),
        b"{}",
    ]
    before = sidecar.status().counters.requests_served
    for request in requests:
        data = request if isinstance(request, bytes) else encode(request)
        answer = await ask(connection, data)
        assert str(party.root).encode() not in answer
        assert CANARY not in answer
    assert sidecar.status().counters.requests_served == before + 6
    assert sidecar.status().counters.requests_refused == 1


async def never(_root: Path) -> AsyncIterator[None]:
    """Watching that notices nothing."""
    await asyncio.Event().wait()
    yield


async def test_a_file_that_changed_is_stale_and_the_folder_is_looked_at_again(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "wait_for_changes", never)
    sidecar, connection, content_id = await server(party)
    changed = party.game("server") / "big.bin"
    changed.write_bytes(b"x" * changed.stat().st_size)
    request = messages.GetGameFileData(content_id, "big.bin")
    assert await reset_code(connection, request) == 2
    assert sidecar.status().counters.sent_bytes == 0
    await until(lambda: content_of_or_none(sidecar) not in (None, content_id))


def content_of_or_none(sidecar: Sidecar) -> str | None:
    shown = title(sidecar)
    return shown.local.content_id if shown and shown.local else None


async def test_a_file_that_changes_while_it_is_sent_gets_no_end(party: Party) -> None:
    await party.start("server", {AOE2: {**make_game(1), "huge.bin": bytes(8 * MIB)}})
    sidecar = party.sidecars[0]
    stranger = await party.hostile()
    connection = await stranger.dial(address_of(sidecar))
    stream = connection.open_stream()
    await stream.send(encode(messages.GetGameFileData(content_of(sidecar), "huge.bin")), end=True)
    await stream.receive()
    with (party.game("server") / "huge.bin").open("r+b") as file:
        file.seek(8 * MIB - 10)
        file.write(CANARY[:10])
    with pytest.raises(errors.StreamReset) as caught:
        await receive_all(stream)
    assert caught.value.code == 2


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_stalled_readers_cost_little_and_free_their_slots(party: Party) -> None:
    sidecar = await party.start("server", {AOE2: {**make_game(1), "huge.bin": bytes(64 * MIB)}})
    request = encode(messages.GetGameFileData(content_of(sidecar), "huge.bin"))
    stranger = await party.hostile()
    connection = await stranger.dial(address_of(sidecar))
    before = resident_bytes()
    stalled = [await asked(connection, request) for _ in range(MAX_UPLOADS)]
    await until(lambda: sidecar.status().counters.sent_bytes > 4 * MIB)
    queued = [await asked(connection, request) for _ in range(MAX_QUEUED_UPLOADS_PER_PEER)]
    code = await reset_code(connection, request)
    assert code == 1, "Busy beyond the slots and the queue"
    # What both ends hold together, where the answers have fourteen times 64 MiB.
    assert resident_bytes() - before < 40 * MIB
    small = messages.GetGameFileChunk(content_of(sidecar), "version.ini", 0, 8)
    served = await until_served(await stranger.dial(address_of(sidecar)), small)
    assert served == b"20240229"
    assert len(stalled) + len(queued) == MAX_UPLOADS + MAX_QUEUED_UPLOADS_PER_PEER


async def test_one_peer_cannot_keep_the_others_from_being_served(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quic_stream, "STALL_TIMEOUT_S", 60.0)
    monkeypatch.setattr(upload_queue, "UPLOAD_FAIR_WAIT_S", 0.2)
    monkeypatch.setattr(uploads, "UPLOAD_QUEUE_TIMEOUT_S", 1000.0)
    sidecar = await party.start("server", {AOE2: {**make_game(1), "huge.bin": bytes(64 * MIB)}})
    address = address_of(sidecar)
    whole = encode(messages.GetGameFileData(content_of(sidecar), "huge.bin"))
    greedy = await (await party.hostile()).dial(address)
    held = [await asked(greedy, whole) for _ in range(MAX_UPLOADS + MAX_QUEUED_UPLOADS_PER_PEER)]
    await until(lambda: sidecar.status().counters.sent_bytes > 4 * MIB)
    assert await reset_code(greedy, whole) == 1
    honest = await (await party.hostile()).dial(address)
    small = encode(messages.GetGameFileChunk(content_of(sidecar), "version.ini", 0, 8))
    async with asyncio.timeout(20):
        assert await ask(honest, small) == b"20240229"
    with pytest.raises(errors.StreamReset) as caught:
        await receive_all(held[0])
    assert caught.value.code == 1, "its oldest upload was taken back, and it may ask again"


async def asked(connection: Connection, request: bytes) -> Stream:
    """A stream with a request whose answer nobody reads."""
    stream = connection.open_stream()
    await stream.send(request, end=True)
    return stream


async def until_served(connection: Connection, request: Message) -> bytes:
    """The answer, once the server has a slot for it."""
    async with asyncio.timeout(STALL_TIMEOUT_S + 10.0):
        while True:
            try:
                return await ask(connection, encode(request))
            except errors.StreamReset:
                await asyncio.sleep(0.05)


async def test_a_whole_file_leaves_others_their_turn(party: Party) -> None:
    files = {**make_game(1), "huge.bin": bytes(12 * MIB)}
    sidecar = await party.start("server", {AOE2: files})
    await sidecar.update_settings(ChosenSettings(upload_slots=1), frozenset({"upload_slots"}))
    greedy, modest = [await (await party.hostile()).dial(address_of(sidecar)) for _ in range(2)]
    content_id = content_of(sidecar)
    whole = greedy.open_stream()
    await whole.send(encode(messages.GetGameFileData(content_id, "huge.bin")), end=True)
    taken = await take(whole, MIB)
    small = messages.GetGameFileChunk(content_id, "version.ini", 0, 8)
    turn = asyncio.ensure_future(ask(modest, encode(small)))
    # Half of it, and not enough for its end to be on the way.
    taken += await take(whole, 6 * MIB)
    assert await turn == files["version.ini"][:8]
    assert taken + len(await receive_all(whole)) == 12 * MIB


async def take(stream: Stream, count: int) -> int:
    """How many bytes came, at least so many."""
    taken = 0
    while taken < count:
        taken += len(await stream.receive())
    return taken
