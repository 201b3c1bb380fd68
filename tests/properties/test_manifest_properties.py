"""A manifest survives its bytes, and its chunks cover every file exactly once."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from lanspread_peer.model.errors import InvalidManifest, UnsafePath
from lanspread_peer.model.limits import MAX_GAME_BYTES
from lanspread_peer.model.manifest import Manifest, chunk_size_of
from lanspread_peer.model.paths import fold_path, is_shared, path_fault
from lanspread_peer.wire.manifest_codec import (
    content_id_of,
    decode_manifest,
    encode_manifest,
)
from support.manifests import game_manifest, manifest_of, sized_entry

PARTS = st.text(st.sampled_from("aB\u00e9\u65e5.- ~"), min_size=1, max_size=4)
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
GAMES = st.dictionaries(PATHS, st.binary(max_size=20), max_size=8).map(
    lambda files: {path: data for path, data in files.items() if path_fault(path) == ""}
)


def _manifest(files: dict[str, bytes]) -> Manifest | None:
    with suppress(InvalidManifest):
        return game_manifest(files)
    return None


@given(GAMES)
def test_a_manifest_comes_back_from_its_bytes(files: dict[str, bytes]) -> None:
    manifest = _manifest(files)
    if manifest is not None:
        data = encode_manifest(manifest)
        assert decode_manifest(data, content_id_of(data)) == manifest


@given(GAMES)
def test_a_manifest_holds_only_what_may_be_shared_and_never_two_of_a_name(
    files: dict[str, bytes],
) -> None:
    manifest = _manifest(files)
    if manifest is not None:
        paths = [*manifest.directories, *(entry.path for entry in manifest.files)]
        assert all(map(is_shared, paths))
        assert len(set(map(fold_path, paths))) == len(paths)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_manifest_is_refused_or_says_the_same(data: st.DataObject) -> None:
    wire = bytearray(encode_manifest(game_manifest({"a/b": b"1", "c": b"2"})))
    at = data.draw(st.integers(0, len(wire) - 1))
    end = data.draw(st.integers(at, min(len(wire), at + 8)))
    wire[at:end] = data.draw(st.binary(max_size=4) | st.sampled_from([b"\n", b"..", b"\\", b"9"]))
    with suppress(InvalidManifest, UnsafePath):
        again = decode_manifest(bytes(wire), content_id_of(bytes(wire)))
        assert encode_manifest(again) == wire


@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=6))
def test_chunks_cover_every_byte_once(sizes: list[int]) -> None:
    entries = [sized_entry(f"f{number}", size) for number, size in enumerate(sizes)]
    manifest = manifest_of([*entries, sized_entry("version.ini", 8)])
    ends: dict[str, int] = {}
    for number in range(manifest.totals.chunks):
        chunk = manifest.chunk(number)
        assert chunk.offset == ends.get(chunk.file.path, 0)
        assert 0 < chunk.length <= chunk.file.chunk_size
        ends[chunk.file.path] = chunk.offset + chunk.length
    assert ends == {entry.path: entry.size for entry in manifest.files if entry.size}


@given(st.integers(0, MAX_GAME_BYTES - 1))
def test_a_larger_file_never_has_smaller_chunks(size: int) -> None:
    assert chunk_size_of(size) <= chunk_size_of(size + 1)
