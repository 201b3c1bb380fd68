"""The bytes of messages, exactly, and every way in which a stranger's may be wrong."""

import time
import tracemalloc
from collections.abc import Callable

import pytest

from lanspread_peer.model.errors import MalformedMessage, UnknownMessage
from lanspread_peer.model.limits import (
    MAX_ANSWER_BYTES,
    MAX_JSON_DEPTH,
    MAX_JSON_VALUES,
    MAX_REQUEST_BYTES,
    MIB,
)
from lanspread_peer.wire import messages as m
from lanspread_peer.wire.codec import decode_answer, decode_request, encode
from support.messages import smallest_of

CONTENT = "ab" * 32
PEER = "a" * 52
INSTANCE = "0f" * 16

GOLDEN_REQUESTS: list[tuple[m.Message, str]] = [
    (m.Ping(), '"Ping"'),
    (m.Ping(CONTENT), '{"Ping":{"library_digest":"' + CONTENT + '"}}'),
    (m.ListGames(), '"ListGames"'),
    (m.ListGames(CONTENT), '{"ListGames":{"known_digest":"' + CONTENT + '"}}'),
    (m.GetGame("aoe2"), '{"GetGame":{"id":"aoe2"}}'),
    (m.GetGame("\u65e5\u672c"), '{"GetGame":{"id":"\u65e5\u672c"}}'),
    (m.GetManifest(CONTENT), '{"GetManifest":{"content_id":"' + CONTENT + '"}}'),
    (
        m.GetGameFileData(CONTENT, "data/a.pak"),
        '{"GetGameFileData":{"content_id":"' + CONTENT + '","relative_path":"data/a.pak"}}',
    ),
    (
        m.GetChunks(CONTENT, 7, 16),
        '{"GetChunks":{"content_id":"' + CONTENT + '","first":7,"count":16}}',
    ),
    (
        m.GetGameFileChunk(CONTENT, "a", 262144, 4096),
        '{"GetGameFileChunk":{"content_id":"' + CONTENT + '","relative_path":"a",'
        '"offset":262144,"length":4096}}',
    ),
    (m.GetPeers(), '"GetPeers"'),
    (m.DialBack(), '"DialBack"'),
    (m.Goodbye(), '"Goodbye"'),
    (m.Challenge(), '"Challenge"'),
    (
        m.Hello(PEER, INSTANCE, "tower", 1, 1, 26789, ["MAA="], "MAA="),
        '{"Hello":{"peer_id":"' + PEER + '","instance":"' + INSTANCE + '","name":"tower",'
        '"proto_min":1,"proto_max":1,"listen_port":26789,"certificate_chain":["MAA="],'
        '"signature":"MAA="}}',
    ),
]
GOLDEN_ANSWERS: list[tuple[m.Message, str]] = [
    (m.Pong(), '"Pong"'),
    (m.NotModified(), '"NotModified"'),
    (m.NotFound(), '"NotFound"'),
    (m.Stale(), '"Stale"'),
    (m.Unsupported(), '"Unsupported"'),
    (m.Refused(), '"Refused"'),
    (m.Bye(), '"Bye"'),
    (m.DialledBack(), '"DialledBack"'),
    (m.Nonce(CONTENT), '{"Nonce":{"nonce":"' + CONTENT + '"}}'),
    (m.Busy(300), '{"Busy":{"retry_ms":300}}'),
    (m.NotIndexed(425), '{"NotIndexed":{"progress":425}}'),
    (m.Games("", []), '{"Games":{"digest":"","games":[]}}'),
    (
        m.Games(CONTENT, [m.GameLine("aoe2", "20240229", CONTENT, 10, 2)]),
        '{"Games":{"digest":"' + CONTENT + '","games":[{"id":"aoe2","version":"20240229",'
        '"content_id":"' + CONTENT + '","bytes":10,"files":2}]}}',
    ),
    (
        m.Peers([m.PeerHint(PEER, "10.0.0.7", 26789)]),
        '{"Peers":{"peers":[{"peer_id":"' + PEER + '","host":"10.0.0.7","port":26789}]}}',
    ),
]


@pytest.mark.parametrize(("message", "text"), GOLDEN_REQUESTS)
def test_a_request_has_exactly_these_bytes(message: m.Message, text: str) -> None:
    assert encode(message) == text.encode()
    assert decode_request(text.encode()) == message


@pytest.mark.parametrize(("message", "text"), GOLDEN_ANSWERS)
def test_an_answer_has_exactly_these_bytes(message: m.Message, text: str) -> None:
    assert encode(message) == text.encode()
    assert decode_answer(text.encode()) == message


@pytest.mark.parametrize("message_type", m.REQUESTS)
def test_a_request_is_no_answer(message_type: type[m.Message]) -> None:
    data = encode(smallest_of(message_type))
    assert type(decode_request(data)) is message_type
    with pytest.raises(UnknownMessage):
        decode_answer(data)


@pytest.mark.parametrize("message_type", m.ANSWERS)
def test_an_answer_is_no_request(message_type: type[m.Message]) -> None:
    data = encode(smallest_of(message_type))
    assert type(decode_answer(data)) is message_type
    with pytest.raises(UnknownMessage):
        decode_request(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"GetGame":{"id":"aoe2","later":[1.5,{"deep":null}]}}',
        b' { "GetGame" : { "later" : true , "id" : "aoe2" } } ',
        b'{"GetGame":{"id":"\\u0061oe2"}}',
    ],
)
def test_other_spellings_and_unknown_fields_do_not_matter(data: bytes) -> None:
    assert decode_request(data) == m.GetGame("aoe2")


def test_a_pair_of_surrogate_escapes_is_one_character() -> None:
    assert decode_request(b'{"GetGame":{"id":"\\ud83c\\udfae"}}') == m.GetGame("\U0001f3ae")


def test_a_message_without_fields_may_come_as_an_object() -> None:
    assert decode_request(b'{"Ping":{}}') == m.Ping()
    assert decode_request(b'{"GetPeers":{"later":1}}') == m.GetPeers()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"null",
        b"1",
        b"true",
        b"[]",
        b'["Ping"]',
        b"{}",
        b'"Ping',
        b'"Ping"x',
        b'"Ping""Ping"',
        b'"Ping"\n"Ping"',
        b"Ping",
        b"'Ping'",
        b'{"Ping":{}',
        b'{"Ping":null}',
        b'{"Ping":[]}',
        b'{"Ping":"x"}',
        b'{"GetGame":{}}',
        b'"GetGame"',
        b'{"GetGame":{"id":null}}',
        b'{"GetGame":{"id":1}}',
        b'{"GetGame":{"id":""}}',
        b'{"GetGame":["aoe2"]}',
        b'{"GetGame":{"id":"a\nb"}}',
        b'{"GetGame":{"id":"a"},}',
    ],
)
def test_what_is_no_message_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_request(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"GetGame":{"id":"a","id":"b"}}',
        b'{"GetGame":{"id":"a"},"GetGame":{"id":"a"}}',
        b'{"GetGame":{"id":"a","\\u0069d":"b"}}',
        b'{"GetGame":{"id":"a","later":{"x":1,"x":1}}}',
        b'{"GetGame":{"id":"a","later":[[{"":1,"":2}]]}}',
    ],
)
def test_a_key_that_stands_twice_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedMessage, match="twice"):
        decode_request(data)


def test_two_tags_are_malformed() -> None:
    with pytest.raises(MalformedMessage, match="one tag"):
        decode_request(b'{"Ping":{},"GetPeers":{}}')


@pytest.mark.parametrize("data", [b'"Pang"', b'"ping"', b'{"Pang":{}}', b'{"":{}}', b'"\\ud800"'])
def test_an_unknown_tag_is_told_apart_from_a_malformed_message(data: bytes) -> None:
    with pytest.raises(UnknownMessage) as caught:
        decode_request(data)
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    "number",
    [
        "NaN", "Infinity", "-Infinity", "1.0", "1e3", "1e400", "-1", "-0.0", "true", "false",
        "null", '"1"', "[1]", "01", "+1", "0x1", "1_0", "1" + "0" * 30,
        "9223372036854775808", "-9223372036854775809", "17592186044417",
    ],
)  # fmt: skip
def test_only_an_integer_within_the_limits_is_an_integer(number: str) -> None:
    with pytest.raises(MalformedMessage):
        decode_request(_chunk_request(offset=number))


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_json_number_is_malformed_even_in_an_unknown_field(constant: str) -> None:
    with pytest.raises(MalformedMessage, match="no JSON number"):
        decode_request(f'{{"GetGame":{{"id":"a","later":{constant}}}}}'.encode())


@pytest.mark.parametrize("digits", [4300, 60_000])
def test_an_integer_of_absurd_length_is_malformed(digits: int) -> None:
    with pytest.raises(MalformedMessage):
        decode_request(_chunk_request(offset="1" + "0" * digits))


def _chunk_request(offset: str) -> bytes:
    fields = f'"content_id":"{CONTENT}","relative_path":"a","offset":{offset},"length":1'
    return f'{{"GetGameFileChunk":{{{fields}}}}}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        b'{"GetGame":{"id":"\xff"}}',
        b'{"GetGame":{"id":"\xc0\xae"}}',
        b'{"GetGame":{"id":"\xed\xa0\x80"}}',
        b'{"GetGame":{"id":"a\\ud800b"}}',
        b'{"GetGame":{"id":"\\udc00\\ud800"}}',
        b'\xef\xbb\xbf"Ping"',
        '"Ping"'.encode("utf-16"),
        '"Ping"'.encode("utf-16-le"),
        '"Ping"'.encode("utf-32-be"),
    ],
)
def test_anything_but_utf_8_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_request(data)


@pytest.mark.parametrize(
    ("decode", "head", "limit"),
    [
        (decode_request, b'{"GetGame":{"id":"a","later":"', MAX_REQUEST_BYTES),
        (decode_answer, b'{"Busy":{"retry_ms":1,"later":"', MAX_ANSWER_BYTES),
    ],
)
def test_a_message_may_be_as_long_as_the_limit_and_no_longer(
    decode: Callable[[bytes], m.Message], head: bytes, limit: int
) -> None:
    tail = b'"}}'
    padding = b"x" * (limit - len(head) - len(tail))
    decode(head + padding + tail)
    with pytest.raises(MalformedMessage, match=str(limit)):
        decode(head + padding + b"x" + tail)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"x":', b"}")])
def test_a_message_may_be_as_deep_as_the_limit_and_no_deeper(
    opening: bytes, closing: bytes
) -> None:
    def nested(depth: int) -> bytes:
        inner = depth - 2
        return b'{"GetGame":{"id":"a","later":' + opening * inner + b"1" + closing * inner + b"}}"

    assert decode_request(nested(MAX_JSON_DEPTH)) == m.GetGame("a")
    with pytest.raises(MalformedMessage, match="depth"):
        decode_request(nested(MAX_JSON_DEPTH + 1))
    with pytest.raises(MalformedMessage, match="depth"):
        decode_request(opening * 10_000)


@pytest.mark.parametrize("text", [b"[" * 99, b'\\"[[' * 99, b"\\\\", b'{\\\\\\"' * 99, b"]" * 99])
def test_brackets_inside_a_text_are_no_depth(text: bytes) -> None:
    data = b'{"GetGame":{"id":"a","later":["' + text + b'"]}}'
    assert decode_request(data) == m.GetGame("a")


def test_closing_brackets_do_not_pay_for_opening_ones() -> None:
    with pytest.raises(MalformedMessage):
        decode_request(b"]" * 50 + b"[" * 50)


def test_a_message_may_hold_as_many_values_as_the_limit_and_no_more() -> None:
    head, tail = b'{"Busy":{"retry_ms":1,"later":[1', b"]}}"
    more = b",1" * (MAX_JSON_VALUES - head.count(b",") - head.count(b"{") - head.count(b"["))
    assert decode_answer(head + more + tail) == m.Busy(1)
    with pytest.raises(MalformedMessage, match="values"):
        decode_answer(head + more + b",1" + tail)


def test_the_fullest_answer_of_ours_is_within_all_limits() -> None:
    line = m.GameLine("g" * 20, "20240229", CONTENT, 10**12, 200_000, "n" * 60)
    games = m.Games(CONTENT, [line] * 4096, CONTENT, ["g" * 20] * 4096)
    assert decode_answer(encode(games)) == games


HOSTILE = {
    "an open text full of escapes": b'"' + b'\\"' * (MAX_ANSWER_BYTES // 2 - 1),
    "one long text": b'"' + b"x" * (MAX_ANSWER_BYTES - 2) + b'"',
    "many quotes": b'"' * MAX_ANSWER_BYTES,
    "many empty values": b"[" + b"{}," * (MAX_ANSWER_BYTES // 3 - 2) + b"{}]",
    "backslashes": b"\\" * MAX_ANSWER_BYTES,
    "opening brackets": b"[" * MAX_ANSWER_BYTES,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_answer_costs_neither_much_memory_nor_much_time(kind: str) -> None:
    started = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises((MalformedMessage, UnknownMessage)):
            decode_answer(HOSTILE[kind])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * MIB
    # Two orders above what it takes; what is not linear takes minutes.
    assert time.process_time() - started < 5
