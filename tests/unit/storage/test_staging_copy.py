"""Chunks that come into a staging from another file on the disk."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanspread_peer.model.errors import StorageError
from lanspread_peer.storage.positional_file import PositionalFile
from lanspread_peer.storage.staging import Staging
from support.stagings import chunk_data, manifest_of, new_staging
from support.storage_folders import make_files, make_game_dir

FILES = {"version.ini": b"1", "game.eti": b"right" * 1000}


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    staging = new_staging(make_game_dir(tmp_path / "games", {}), manifest_of(FILES))
    yield staging
    staging.close()


@pytest.fixture
def wrong(tmp_path: Path) -> Iterator[PositionalFile]:
    make_files(tmp_path, {"wrong": b"wrong" * 1000})
    file = PositionalFile(os.open(tmp_path / "wrong", os.O_RDONLY))
    yield file
    file.close()


def test_a_chunk_of_another_content_is_not_copied(staging: Staging, wrong: PositionalFile) -> None:
    other = manifest_of({**FILES, "game.eti": b"wrong" * 1000})
    with pytest.raises(StorageError):
        staging.copy_chunk(other.chunk(0), wrong, 0)
    assert staging.verified == 0


def test_wrong_bytes_are_not_verified_and_make_way_for_right_ones(
    staging: Staging, wrong: PositionalFile
) -> None:
    chunk = staging.manifest.chunk(0)
    assert not staging.copy_chunk(chunk, wrong, 0)
    assert staging.verified == 0
    staging.write_chunk(chunk, chunk_data(staging.manifest, FILES, 0))
    assert staged_bytes(staging) == FILES["game.eti"]


def test_a_verified_chunk_is_not_copied_over(staging: Staging, wrong: PositionalFile) -> None:
    chunk = staging.manifest.chunk(0)
    staging.write_chunk(chunk, chunk_data(staging.manifest, FILES, 0))
    assert staging.copy_chunk(chunk, wrong, 0)
    assert staged_bytes(staging) == FILES["game.eti"]


def staged_bytes(staging: Staging) -> bytes:
    path = staging.path_of(staging.manifest.files[0].path)
    return (staging.game_dir.root / path).read_bytes()
