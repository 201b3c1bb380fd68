"""Chunks that are written in one go: all of them, or none."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lanspread_peer.model.limits import MIB
from lanspread_peer.model.manifest import Chunk
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.staging import Staging
from support.stagings import chunk_data, manifest_of, new_staging
from support.storage_folders import make_game_dir

FILES = {"big.eti": b"\x7fELF" + os.urandom(MIB), "next.eti": os.urandom(MIB), "version.ini": b"1"}
MANIFEST = manifest_of(FILES)
BIG = list(MANIFEST.chunks_of("big.eti"))


@pytest.fixture
def game_dir(tmp_path: Path) -> GameDir:
    return make_game_dir(tmp_path / "games", {})


@pytest.fixture
def staging(game_dir: GameDir) -> Iterator[Staging]:
    staging = new_staging(game_dir, MANIFEST)
    yield staging
    staging.discard()


def bytes_of(chunks: Sequence[Chunk]) -> memoryview:
    return memoryview(b"".join(chunk_data(MANIFEST, FILES, chunk.number) for chunk in chunks))


def test_chunks_that_adjoin_are_written_in_one_go(staging: Staging) -> None:
    assert staging.write_together(BIG, bytes_of(BIG))
    file = staging.game_dir.root / staging.path_of(BIG[0].file.path)
    assert file.read_bytes() == FILES["big.eti"]
    assert staging.verified_bytes == len(FILES["big.eti"])
    assert staging.is_complete(BIG[0].file)
    # It begins as a program does.
    assert file.stat().st_mode & stat.S_IXUSR


def wrong_bytes(staging: Staging) -> tuple[list[Chunk], memoryview]:
    data = bytearray(bytes_of(BIG))
    data[-1] ^= 1
    return BIG, memoryview(data)


def too_few_bytes(staging: Staging) -> tuple[list[Chunk], memoryview]:
    return BIG, bytes_of(BIG)[:-1]


def one_left_out(staging: Staging) -> tuple[list[Chunk], memoryview]:
    chunks = [BIG[0], BIG[2]]
    return chunks, bytes_of(chunks)


def two_files(staging: Staging) -> tuple[list[Chunk], memoryview]:
    chunks = [BIG[-1], *MANIFEST.chunks_of("next.eti")]
    return chunks, bytes_of(chunks)


def one_that_is_verified(staging: Staging) -> tuple[list[Chunk], memoryview]:
    staging.write_chunk(BIG[1], bytes_of([BIG[1]]))
    return BIG, bytes_of(BIG)


@pytest.mark.parametrize(
    "case", [wrong_bytes, too_few_bytes, one_left_out, two_files, one_that_is_verified]
)
def test_else_nothing_is_written(
    staging: Staging, case: Callable[[Staging], tuple[list[Chunk], memoryview]]
) -> None:
    chunks, data = case(staging)
    before = staging.verified_bytes
    file = staging.game_dir.root / staging.path_of(BIG[0].file.path)
    lay_there = file.read_bytes()
    assert not staging.write_together(chunks, data)
    assert (staging.verified_bytes, file.read_bytes()) == (before, lay_there)
