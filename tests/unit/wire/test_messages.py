"""Every bound of every message holds at the limit and refuses one beyond it."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from lanspread_peer.model.errors import MalformedMessage
from lanspread_peer.model.limits import (
    MAX_CERTIFICATES,
    MAX_CHUNK_BYTES,
    MAX_CHUNKS_PER_REQUEST,
    MAX_DOWNLOADING_GAMES,
    MAX_GAME_BYTES,
    MAX_GAME_ID_BYTES,
    MAX_LIBRARY_GAMES,
    MAX_MANIFEST_CHUNKS,
    MAX_MANIFEST_ENTRIES,
    MAX_NAME_BYTES,
    MAX_PATH_BYTES,
    MAX_VERSION_BYTES,
    MAX_WANTED_CHARACTERS,
)
from lanspread_peer.wire import messages as m
from lanspread_peer.wire.codec import decode_answer, decode_request
from support.messages import smallest_of

HEX = "0" * 64


def _decode(message_type: type[m.Message], **changes: Any) -> m.Message:
    fields = msgspec.to_builtins(smallest_of(message_type)) | changes
    data = json.dumps({message_type.__name__: fields}).encode()
    return decode_request(data) if message_type in m.REQUESTS else decode_answer(data)


BOUNDS: list[tuple[type[m.Message], str, Any, Any]] = [
    (m.GetGame, "id", "x" * MAX_GAME_ID_BYTES, "x" * (MAX_GAME_ID_BYTES + 1)),
    (m.GetGame, "id", "x", ""),
    (m.GetGameFileData, "relative_path", "x" * MAX_PATH_BYTES, "x" * (MAX_PATH_BYTES + 1)),
    (m.GetGameFileData, "relative_path", "x", ""),
    (m.GetGameFileChunk, "offset", 0, -1),
    (m.GetGameFileChunk, "offset", MAX_GAME_BYTES, MAX_GAME_BYTES + 1),
    (m.GetGameFileChunk, "length", 1, 0),
    (m.GetGameFileChunk, "length", MAX_CHUNK_BYTES, MAX_CHUNK_BYTES + 1),
    (m.GetChunks, "first", 0, -1),
    (m.GetChunks, "first", MAX_MANIFEST_CHUNKS - 1, MAX_MANIFEST_CHUNKS),
    (m.GetChunks, "count", 1, 0),
    (m.GetChunks, "count", MAX_CHUNKS_PER_REQUEST, MAX_CHUNKS_PER_REQUEST + 1),
    (m.GetAnyChunk, "first", MAX_MANIFEST_CHUNKS - 1, MAX_MANIFEST_CHUNKS),
    (m.GetAnyChunk, "wanted", "AAAA", "AAA"),
    (m.GetAnyChunk, "wanted", "x" * MAX_WANTED_CHARACTERS, "x" * (MAX_WANTED_CHARACTERS + 1)),
    (m.Data, "length", 0, -1),
    (m.Data, "length", MAX_CHUNK_BYTES + 8, MAX_CHUNK_BYTES + 9),
    (m.GetManifest, "content_id", "f" * 64, "f" * 63),
    (m.GetManifest, "content_id", "f" * 64, "f" * 65),
    (m.GetManifest, "content_id", "f" * 64, "F" * 64),
    (m.GetManifest, "content_id", "f" * 64, "f" * 64 + "\n"),
    (m.ListGames, "known_digest", "", "f"),
    (m.ListGames, "known_digest", "f" * 64, "f" * 128),
    (m.Hello, "peer_id", "z7" * 26, "z7" * 26 + "a"),
    (m.Hello, "peer_id", "z7" * 26, "z8" * 26),
    (m.Hello, "instance", "f" * 32, "f" * 31),
    (m.Hello, "name", "x" * MAX_NAME_BYTES, "x" * (MAX_NAME_BYTES + 1)),
    (m.Hello, "listen_port", 65535, 65536),
    (m.Hello, "listen_port", 0, -1),
    (m.Hello, "proto_max", 1_000_000, 1_000_001),
    (m.Hello, "features", ["x"] * 32, ["x"] * 33),
    (m.Hello, "features", ["x" * MAX_NAME_BYTES], ["x" * (MAX_NAME_BYTES + 1)]),
    (m.Hello, "certificate_chain", ["x"] * MAX_CERTIFICATES, ["x"] * (MAX_CERTIFICATES + 1)),
    (m.Hello, "certificate_chain", ["x"], []),
    (m.Hello, "certificate_chain", ["x" * 5464], ["x" * 5465]),
    (m.Hello, "signature", "x" * 96, "x" * 97),
    (m.Nonce, "nonce", "f" * 64, "f" * 63),
    (m.Nonce, "nonce", "f" * 64, "f" * 65),
    (m.HelloAck, "bulk_port", 65535, 65536),
    (m.Busy, "retry_ms", 1, 0),
    (m.Busy, "retry_ms", 60_000, 60_001),
    (m.NotIndexed, "progress", 1000, 1001),
    (m.Refused, "detail", "x" * 4096, "x" * 4097),
    (m.Games, "removed", ["x"] * MAX_LIBRARY_GAMES, ["x"] * (MAX_LIBRARY_GAMES + 1)),
]


@pytest.mark.parametrize(("message_type", "field", "full", "beyond"), BOUNDS)
def test_a_field_may_reach_its_bound_and_not_pass_it(
    message_type: type[m.Message], field: str, full: Any, beyond: Any
) -> None:
    assert getattr(_decode(message_type, **{field: full}), field) == full
    with pytest.raises(MalformedMessage, match=message_type.__name__):
        _decode(message_type, **{field: beyond})


LINE = {"id": "a", "version": "1", "content_id": HEX, "bytes": 1, "files": 1}


@pytest.mark.parametrize(
    ("field", "full", "beyond"),
    [
        ("bytes", MAX_GAME_BYTES, MAX_GAME_BYTES + 1),
        ("bytes", 0, -1),
        ("files", MAX_MANIFEST_ENTRIES, MAX_MANIFEST_ENTRIES + 1),
        ("version", "x" * MAX_VERSION_BYTES, "x" * (MAX_VERSION_BYTES + 1)),
        ("version", "", None),
        ("name", "x" * 4096, "x" * 4097),
    ],
)
def test_a_line_of_the_library_is_bounded_too(field: str, full: Any, beyond: Any) -> None:
    games = _decode(m.Games, games=[LINE | {field: full}])
    assert isinstance(games, m.Games)
    assert getattr(games.games[0], field) == full
    with pytest.raises(MalformedMessage):
        _decode(m.Games, games=[LINE | {field: beyond}])


def test_a_library_may_have_as_many_games_as_the_limit_and_no_more() -> None:
    games = _decode(m.Games, games=[LINE] * MAX_LIBRARY_GAMES)
    assert isinstance(games, m.Games)
    assert len(games.games) == MAX_LIBRARY_GAMES
    with pytest.raises(MalformedMessage):
        _decode(m.Games, games=[LINE] * (MAX_LIBRARY_GAMES + 1))


def test_a_peer_tells_of_as_many_running_downloads_as_the_limit_and_no_more() -> None:
    games = _decode(m.Games, downloading=[LINE] * MAX_DOWNLOADING_GAMES)
    assert isinstance(games, m.Games)
    assert len(games.downloading) == MAX_DOWNLOADING_GAMES
    with pytest.raises(MalformedMessage):
        _decode(m.Games, downloading=[LINE] * (MAX_DOWNLOADING_GAMES + 1))


@pytest.mark.parametrize(
    ("field", "beyond"), [("port", 0), ("port", 65536), ("host", "x"), ("host", "x" * 65)]
)
def test_a_hint_is_bounded_too(field: str, beyond: Any) -> None:
    hint: dict[str, Any] = {"peer_id": "a" * 52, "host": "10.0.0.1", "port": 1}
    assert isinstance(_decode(m.Peers, peers=[hint]), m.Peers)
    with pytest.raises(MalformedMessage):
        _decode(m.Peers, peers=[hint | {field: beyond}])


def _missing_bounds(info: inspect.Type, where: str) -> list[str]:
    match info:
        case inspect.StructType():
            return [
                missing
                for field in info.fields
                for missing in _missing_bounds(field.type, f"{where}.{field.name}")
            ]
        case inspect.ListType():
            own = [] if info.max_length else [where]
            return own + _missing_bounds(info.item_type, f"{where}[]")
        case inspect.StrType():
            return [] if info.max_length or info.pattern else [where]
        case inspect.IntType():
            return [] if info.ge is not None and info.le is not None else [where]
        case inspect.BoolType():
            return []
        case _:
            return [where]


@pytest.mark.parametrize("message_type", [*m.REQUESTS, *m.ANSWERS])
def test_no_field_of_any_message_is_without_bounds(message_type: type[m.Message]) -> None:
    assert _missing_bounds(inspect.type_info(message_type), message_type.__name__) == []


def test_every_message_is_a_request_or_an_answer() -> None:
    inner = {m.GameLine, m.GameTotals, m.GameText, m.PeerHint}
    assert set(m.Message.__subclasses__()) == {*m.REQUESTS, *m.ANSWERS} | inner
    assert set(m.ERRORS) < set(m.ANSWERS)
    assert set(m.RAW_REQUESTS) < set(m.REQUESTS)
    assert len({message.__name__ for message in (*m.REQUESTS, *m.ANSWERS)}) == len(
        (*m.REQUESTS, *m.ANSWERS)
    )


@pytest.mark.parametrize(("low", "high", "common"), [(1, 1, True), (0, 9, True), (2, 9, False)])
def test_two_peers_need_one_version_in_common(low: int, high: int, common: bool) -> None:
    ack = m.HelloAck("a" * 52, "0" * 32, "", low, high, 1)
    assert m.is_common_version(ack) is common
