"""Only the canonical bytes of a sound manifest are a manifest."""

from weakref import ref

import pytest
from blake3 import blake3

from lanspread_peer.model.errors import InvalidManifest, UnsafePath
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import MAX_MANIFEST_BYTES, MAX_MANIFEST_ENTRIES
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.wire import manifest_codec
from lanspread_peer.wire.manifest_codec import (
    content_id_of,
    decode_manifest,
    encode_manifest,
)
from support.hostile_paths import hostile_paths
from support.manifests import file_entry, game_manifest, manifest_of

HASH = blake3(b"1").hexdigest()
VERSION_LINE = f'{{"hashes":"{HASH}","path":"version.ini","size":1}}\n'
GOLDEN = (
    '{"entries":4,"lanspread_manifest":1}\n'
    f'{{"hashes":"{HASH}","path":"a","size":1}}\n'
    '{"path":"data"}\n'
    '{"hashes":"","path":"data/\u00e9","size":0}\n' + VERSION_LINE
)


def _decode(text: str | bytes) -> Manifest:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return decode_manifest(data, content_id_of(data))


def _with_lines(*lines: str, count: int | None = None) -> str:
    header = f'{{"entries":{len(lines) + 1 if count is None else count},"lanspread_manifest":1}}\n'
    return header + "".join(f"{line}\n" for line in lines) + VERSION_LINE


def test_a_manifest_has_exactly_these_bytes() -> None:
    manifest = game_manifest({"a": b"1", "data/\u00e9": b""}, version=b"1")
    assert encode_manifest(manifest).decode() == GOLDEN
    assert _decode(GOLDEN) == manifest


def test_the_content_id_is_the_blake3_of_the_bytes() -> None:
    assert content_id_of(GOLDEN.encode()) == blake3(GOLDEN.encode()).hexdigest()
    assert content_id_of(b"") == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_directories_and_files_stand_together_in_byte_order() -> None:
    entries = [file_entry(path, b"1") for path in ("version.ini", "a/b", "a.b", "a0")]
    lines = encode_manifest(manifest_of(entries, ["z"])).decode().splitlines()
    paths = [line.split('"path":"')[1].split('"')[0] for line in lines[1:]]
    assert paths == ["a", "a.b", "a/b", "a0", "version.ini", "z"]


def test_a_manifest_that_is_held_is_not_decoded_again_and_its_id_still_checked() -> None:
    data = encode_manifest(game_manifest({"a": b"a"}))
    content_id = content_id_of(data)
    held = decode_manifest(data, content_id)
    assert decode_manifest(bytes(data), content_id) is held
    with pytest.raises(InvalidManifest):
        decode_manifest(data + b"\n", content_id)
    known = ref(held)
    del held
    assert known() is None


def test_bytes_that_are_not_those_of_the_id_are_refused() -> None:
    with pytest.raises(InvalidManifest, match="content id"):
        decode_manifest(GOLDEN.encode(), ContentId("0" * 64))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"path":"a","size":1', '"size":1,"path":"a"'),
        ('{"path":"data"}', '{"path": "data"}'),
        ('{"path":"data"}', ' {"path":"data"}'),
        ('{"path":"data"}', '{"path":"data"} '),
        ('{"path":"data"}', '{"path":"data"}\r'),
        ('{"path":"data"}', '{"path":"d\\u0061ta"}'),
        ('{"path":"data"}', '{"path":"data","path":"data"}'),
        ('{"path":"data"}', '{"path":"data","later":1}'),
        ('{"path":"data"}', '{"hashes":null,"path":"data","size":null}'),
        ('{"path":"data"}', '{"path":"data"}{"path":"data"}'),
        ('{"path":"data"}', '["data"]'),
        ('{"path":"data"}', '"data"'),
        ('{"path":"data"}', "{}"),
        ('{"path":"data"}', ""),
        ('{"path":"data"}', '{"path":null}'),
        ('{"path":"data"}', '{"path":["data"]}'),
        ('{"path":"data"}', '{"path":"data","size":0}'),
        ('{"path":"data"}', '{"hashes":"","path":"data"}'),
        ('"size":1', '"size":1.0'),
        ('"size":1', '"size":1e0'),
        ('"size":1', '"size":"1"'),
        ('"size":1', '"size":true'),
        ('"size":1', '"size":01'),
        ('"size":1', '"size":-1'),
        ('"size":1', '"size":2147483648'),
        ('"size":1', '"size":' + "9" * 30),
        ('"size":1', '"size":' + "9" * 5000),
        ('"size":1', '"size":NaN'),
        ('"size":0', '"size":-0'),
        (HASH, HASH.upper()),
        (HASH, HASH[:32] + " " + HASH[32:]),
        (HASH, HASH[:-1]),
        (HASH, HASH[:-1] + "g"),
        (HASH, HASH + HASH),
        (HASH, HASH[:-1] + "\u0661"),
        (HASH, ""),
        ('"entries":4', '"entries":3'),
        ('"entries":4', '"entries":5'),
        ('"entries":4', '"entries":0'),
        ('"entries":4', '"entries":-4'),
        ('"entries":4', '"entries":4.0'),
        ('"entries":4', '"entries":true'),
        ('"lanspread_manifest":1', '"lanspread_manifest":2'),
        ('"lanspread_manifest":1', '"lanspread_manifest":1,"later":1'),
        ('{"entries":4,"lanspread_manifest":1}', '{"lanspread_manifest":1,"entries":4}'),
        ('{"entries":4,"lanspread_manifest":1}', ""),
        ('{"entries":4,"lanspread_manifest":1}', "{}"),
    ],
)
def test_bytes_that_are_not_canonical_are_refused(was: str, becomes: str) -> None:
    assert was in GOLDEN
    with pytest.raises(InvalidManifest):
        _decode(GOLDEN.replace(was, becomes, 1))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\0",
        b"\xff\xfe",
        b"[" * 100_000,
        GOLDEN.encode()[:-1],
        GOLDEN.encode() + b"\n",
        GOLDEN.encode() + b" ",
        GOLDEN.encode() + GOLDEN.encode(),
        b"\xef\xbb\xbf" + GOLDEN.encode(),
        GOLDEN.encode("utf-16"),
        GOLDEN.encode("latin-1"),
        GOLDEN.replace("\n", "\r\n").encode(),
        GOLDEN.encode().replace(b'"data"', b'"data","later":' + b"[" * 100_000),
    ],
)
def test_bytes_that_are_no_manifest_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidManifest):
        _decode(data)


def test_every_shortened_manifest_is_refused() -> None:
    whole = GOLDEN.encode()
    for end in range(len(whole)):
        with pytest.raises(InvalidManifest):
            _decode(whole[:end])


@pytest.mark.parametrize(
    "lines",
    [
        ('{"path":"b"}', '{"path":"a"}'),
        ('{"path":"a"}', '{"path":"a"}'),
        ('{"hashes":"","path":"b","size":0}', '{"path":"a"}'),
        ('{"path":"b"}', '{"hashes":"","path":"a","size":0}'),
        ('{"path":"a/b"}',),
        ('{"path":"A"}', '{"path":"a"}'),
        ('{"hashes":"","path":"a","size":0}', '{"path":"a/b"}'),
        ('{"path":"local"}',),
        ('{"path":".lanspread"}',),
    ],
)
def test_entries_that_break_an_invariant_are_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(InvalidManifest):
        _decode(_with_lines(*lines))


def test_a_manifest_without_version_ini_is_refused() -> None:
    with pytest.raises(InvalidManifest, match=r"version\.ini"):
        _decode('{"entries":1,"lanspread_manifest":1}\n{"path":"a"}\n')


@pytest.mark.parametrize("path", [path for _, path in hostile_paths()])
def test_one_hostile_path_refuses_the_whole_manifest(path: str) -> None:
    escaped = "".join(
        f"\\u{ord(c):04x}" if ord(c) < 32 else f"\\{c}" if c in '"\\' else c for c in path
    )
    with pytest.raises((InvalidManifest, UnsafePath)):
        _decode(_with_lines(f'{{"path":"{escaped}"}}'))


def test_a_manifest_may_be_as_long_as_the_limit_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(manifest_codec, "MAX_MANIFEST_BYTES", len(GOLDEN.encode()))
    assert _decode(GOLDEN).totals.files == 3
    monkeypatch.setattr(manifest_codec, "MAX_MANIFEST_BYTES", len(GOLDEN.encode()) - 1)
    with pytest.raises(InvalidManifest, match="bytes"):
        _decode(GOLDEN)


def test_a_manifest_may_have_as_many_entries_as_the_limit_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(manifest_codec, "MAX_MANIFEST_ENTRIES", 4)
    assert _decode(GOLDEN).totals.files == 3
    monkeypatch.setattr(manifest_codec, "MAX_MANIFEST_ENTRIES", 3)
    with pytest.raises(InvalidManifest, match="entries"):
        _decode(GOLDEN)


def test_the_limits_are_those_of_the_design() -> None:
    assert MAX_MANIFEST_BYTES == 64 * 1024 * 1024
    assert MAX_MANIFEST_ENTRIES == 200_000


def test_a_count_far_above_the_lines_is_refused_at_once() -> None:
    with pytest.raises(InvalidManifest, match="entries"):
        _decode(_with_lines(count=MAX_MANIFEST_ENTRIES))
    with pytest.raises(InvalidManifest, match="entries"):
        _decode(_with_lines(count=2**62))
