"""The whole corpus of hostile names, at every place where a name from a peer becomes a value."""

import json
import unicodedata

import pytest
from blake3 import blake3

from lanspread_peer.model.errors import InvalidField, InvalidManifest, UnsafePath
from lanspread_peer.model.ids import parse_game_id
from lanspread_peer.model.paths import first_collision, fold_path, is_shared, parse_path
from lanspread_peer.runtime.conversions import summaries_of
from lanspread_peer.wire.manifest_codec import content_id_of, decode_manifest
from lanspread_peer.wire.messages import GameLine
from support.hostile_paths import (
    colliding_pairs,
    file_as_folder_pairs,
    harmless_paths,
    hostile_paths,
    never_shared_paths,
)

_HASH = blake3(b"1").hexdigest()
# What one name cannot have, or what a game id is brought to instead.
_NOT_OF_A_NAME = frozenset(["decomposed", "path too long"])


def _manifest_bytes(*paths: str, files: int) -> bytes:
    """The bytes that a careless or hostile peer would make; the first `files` paths are files."""
    lines: list[dict[str, object]] = [
        {"hashes": _HASH, "path": path, "size": 1} for path in ("version.ini", *paths[:files])
    ]
    folders = {path.rpartition("/")[0] for path in paths} | set(paths[files:])
    for folder in list(folders):
        parts = folder.split("/")
        folders |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}
    lines += [{"path": folder} for folder in folders - {""}]
    lines.sort(key=lambda line: str(line["path"]).encode("utf-8", "surrogatepass"))
    header = {"entries": len(lines), "lanspread_manifest": 1}
    texts = [json.dumps(x, separators=(",", ":"), ensure_ascii=False) for x in (header, *lines)]
    return "".join(f"{text}\n" for text in texts).encode("utf-8", "surrogatepass")


def _refused_whole(data: bytes) -> None:
    with pytest.raises((InvalidManifest, UnsafePath)):
        decode_manifest(data, content_id_of(data))


def test_the_corpus_is_as_large_as_promised() -> None:
    hostile = {path for _, path in hostile_paths()}
    assert len(hostile) >= 300
    assert len(hostile) == len(hostile_paths())
    assert len(set(harmless_paths())) >= 60
    assert not hostile & {*harmless_paths(), *never_shared_paths()}


def test_one_file_with_a_hostile_path_refuses_the_whole_manifest() -> None:
    for _, path in hostile_paths():
        _refused_whole(_manifest_bytes(path, files=1))


def test_a_manifest_with_harmless_names_only_is_taken() -> None:
    harmless = [path for path in harmless_paths() if path != "version.ini"]
    for path in harmless:
        data = _manifest_bytes(path, files=1)
        assert decode_manifest(data, content_id_of(data)).file(path) is not None


@pytest.mark.parametrize("path", harmless_paths())
def test_a_harmless_name_is_taken_as_it_is(path: str) -> None:
    assert parse_path(path) == path
    assert is_shared(parse_path(path))


def test_no_two_harmless_names_are_one() -> None:
    assert first_collision(map(parse_path, harmless_paths())) is None


@pytest.mark.parametrize("path", never_shared_paths())
def test_what_is_never_shared_refuses_the_whole_manifest(path: str) -> None:
    assert not is_shared(parse_path(path))
    _refused_whole(_manifest_bytes(path, files=1))
    _refused_whole(_manifest_bytes(path, files=0))


@pytest.mark.parametrize(("left", "right"), colliding_pairs())
def test_two_names_that_some_system_holds_as_one_refuse_the_whole_manifest(
    left: str, right: str
) -> None:
    assert fold_path(parse_path(left)) == fold_path(parse_path(right))
    for files in (0, 1, 2):
        _refused_whole(_manifest_bytes(left, right, files=files))


@pytest.mark.parametrize(("file", "path_below"), file_as_folder_pairs())
def test_a_file_that_is_a_folder_too_refuses_the_whole_manifest(file: str, path_below: str) -> None:
    _refused_whole(_manifest_bytes(file, path_below, files=2))


def test_a_game_under_a_hostile_id_is_left_out_of_what_a_peer_offers() -> None:
    hostile = [path for fault, path in hostile_paths() if fault not in _NOT_OF_A_NAME]
    ids = ["good", *hostile, *(path for path in never_shared_paths() if path.startswith("."))]
    lines = [GameLine(game_id, "1", "ab" * 32, 1, 1, "") for game_id in ids]
    assert [summary.id for summary in summaries_of(lines)] == ["good"]


@pytest.mark.parametrize("text", ["\uff0elanspread", "\u2024lanspread", "LANSPR~1", "la12ef~1"])
def test_nothing_that_some_disk_takes_for_our_own_folder_is_a_game_id(text: str) -> None:
    with pytest.raises(InvalidField, match="game_id"):
        parse_game_id(text)


def test_the_decomposed_names_are_safe_once_they_are_composed() -> None:
    for fault, path in hostile_paths():
        if fault == "decomposed":
            assert parse_path(unicodedata.normalize("NFC", path))
