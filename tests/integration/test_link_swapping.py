"""While a process swaps folders for links to canaries outside, no access ever gets there.

Everything outside has the names that are asked for, so that whoever follows a link finds what it
looks for. Both outcomes must come up, the access and its refusal, or the race was none.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from lanspread_peer.model.errors import SourceUnavailable, StorageError
from lanspread_peer.storage import beneath
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.hasher import hash_game, plan
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.moves import MakeFolder, Move, SyncFolder, carry_out
from lanspread_peer.storage.positional_file import PositionalFile
from lanspread_peer.storage.removal import finish_removals, remove_game
from lanspread_peer.storage.scanner import survey
from lanspread_peer.storage.served_file import open_served
from lanspread_peer.storage.staging import Staging
from lanspread_peer.storage.verify import plan_verification, verify
from support.link_swapper import Swap, swapping
from support.long_form import long_form
from support.manifests import game_manifest
from support.stagings import new_staging
from support.storage_folders import index_game, make_files, make_game_dir, snapshot

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there"),
    pytest.mark.scales,
]

_RACES = long_form(short=600, long=10_000)
_OWN = b"own bytes" * 1000
# Of the same size, so that no check of sizes stands in for the guard.
_CANARY = b"canary!!!" * 1000
_GAME = {"version.ini": b"20240229", "data/file": _OWN, "data/deep/a/file": _OWN}


@dataclass(frozen=True)
class _Places:
    game_dir: GameDir
    outside: Path

    @property
    def root(self) -> Path:
        return self.game_dir.root

    @property
    def game(self) -> Path:
        return self.root / "aoe2"

    def folders(self) -> tuple[Swap, ...]:
        """The game's folder, one in it, and one in that, which may come and go."""
        return (
            Swap(self.root, "aoe2", self.outside),
            Swap(self.game, "data", self.outside / "data"),
            Swap(self.game / "data", "a", self.outside / "data/deep/a", inner="deep"),
        )

    def files(self) -> tuple[Swap, ...]:
        return (
            Swap(self.game / "data", "file", self.outside / "data/file"),
            Swap(self.game, "data", self.outside / "data"),
        )


@pytest.fixture
def places(tmp_path: Path) -> Iterator[_Places]:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": _GAME})
    names = ("file", "deep/a/file", "deep/a/b/c", "secret", "old", "victim", "target")
    canaries = {"version.ini": _CANARY, **{f"data/{name}": _CANARY for name in names}}
    outside = make_files(tmp_path / "outside", canaries)
    before = snapshot(outside)
    yield _Places(game_dir, outside)
    assert snapshot(outside) == before


def _race(swaps: tuple[Swap, ...], access: Callable[[int], object], races: int = _RACES) -> None:
    done = refused = 0
    with swapping(*swaps) as swapper:
        # A busy machine may let neither run for a while.
        while done + refused < races or not done or not refused:
            try:
                access(done + refused)
            except (StorageError, SourceUnavailable):
                refused += 1
            else:
                done += 1
    assert swapper.count > 0
    print(f"{done} accesses and {refused} refusals during {swapper.count} swaps")


def _until_done(access: Callable[[], object]) -> None:
    while True:
        with suppress(StorageError):
            access()
            return


def test_nothing_is_created_outside(places: _Places) -> None:
    def create(number: int) -> None:
        path = f"aoe2/data/deep/a/new-{number}"
        os.close(beneath.open_file(places.root, path, create=True))

    _race(places.folders(), create)


def test_no_folder_and_no_small_file_is_written_outside(places: _Places) -> None:
    def write(number: int) -> None:
        beneath.make_folders(places.root, f"aoe2/data/deep/a/made-{number}/in")
        beneath.write_file(places.root, "aoe2/data/target", b"%d" % number)

    _race(places.folders(), write)


def test_no_open_file_is_written_outside(places: _Places) -> None:
    def write(number: int) -> None:
        file = PositionalFile(beneath.open_file(places.root, "aoe2/data/file", write=True))
        try:
            file.write(_OWN, number % 2)
            file.sync()
        finally:
            file.close()

    _race(places.files(), write)


def test_nothing_outside_is_read_listed_or_looked_at(places: _Places) -> None:
    def read(_: int) -> None:
        assert beneath.read_file(places.root, "aoe2/data/file", 100_000) == _OWN
        names = [name for name, _ in beneath.list_folder(places.root, "aoe2/data")]
        assert "secret" not in names
        assert beneath.stat(places.root, "aoe2/data/secret") is None

    _race(places.files(), read)


def test_nothing_is_moved_out_or_in(places: _Places) -> None:
    def move(_: int) -> None:
        (places.root / "incoming").write_bytes(_OWN)
        beneath.rename(places.root, "incoming", places.root, "aoe2/data/old", replace=True)
        beneath.rename(places.root, "aoe2/data/old", places.root, "taken", replace=True)
        assert beneath.read_file(places.root, "taken", 100_000) == _OWN

    _race(places.files(), move)


def test_steps_that_publish_are_carried_out_or_undone_and_never_outside(places: _Places) -> None:
    def publish(number: int) -> None:
        make_files(places.root / "staged", {"file": _OWN, "more": _OWN})
        steps = (
            MakeFolder(f"aoe2/data/new-{number}"),
            Move("staged/file", f"aoe2/data/new-{number}/file"),
            SyncFolder(f"aoe2/data/new-{number}"),
            Move("staged/more", f"aoe2/data/deep/a/more-{number}"),
        )
        carry_out(places.root, steps, lambda _: None)

    _race(places.folders(), publish)


def test_nothing_outside_is_removed(places: _Places) -> None:
    def remove(_: int) -> None:
        with suppress(StorageError):
            beneath.make_folders(places.root, "aoe2/data/deep/a/b")
            beneath.write_file(places.root, "aoe2/data/deep/a/b/c", _OWN)
        beneath.remove_file(places.root, "aoe2/data/victim")
        beneath.remove_tree(places.root, "aoe2/data/deep")

    _race(places.folders()[1:], remove)


@pytest.mark.parametrize("name", ["aoe2", "data"])
def test_no_game_outside_is_removed(places: _Places, tmp_path: Path, name: str) -> None:
    # Hidden files stay, and with them the folders that are swapped.
    make_files(places.game, {".keep": b"", "data/.keep": b""})
    index = Index(tmp_path)

    def remove(_: int) -> None:
        for path, content in (("data/file", _OWN), ("version.ini", b"20240229")):
            _until_done(partial(beneath.write_file, places.root, f"aoe2/{path}", content))
        remove_game(places.game_dir, "aoe2", index, remove_installed=True)

    folder, target = {
        "aoe2": (places.root, places.outside),
        "data": (places.game, places.outside / "data"),
    }[name]
    swap = Swap(folder, name, target)
    try:
        _race((swap,), remove, _RACES // 20)
        with swapping(swap):
            finish_removals(places.game_dir, index)
    finally:
        index.close()


def test_no_file_outside_counts_as_one_of_the_game(places: _Places, tmp_path: Path) -> None:
    index = Index(tmp_path)
    places.game_dir.make_own()
    game, _ = index_game(places.game_dir, "aoe2", index)

    def verify_anew(_: int) -> None:
        found = verify(
            places.game_dir,
            game,
            plan_verification(places.game_dir, game),
            index,
            on_bytes=lambda _: None,
            is_cancelled=lambda: False,
        )
        assert found is not None
        # What was a link for a moment is missing, and what is behind it is neither it nor extra.
        assert (found.changed, found.extra) == (0, 0)

    try:
        _race(places.files(), verify_anew, _RACES // 3)
    finally:
        index.close()


def test_a_served_file_is_never_another(places: _Places, tmp_path: Path) -> None:
    index = Index(tmp_path)
    game, _ = index_game(places.game_dir, "aoe2", index)
    index.close()

    def serve(_: int) -> None:
        with open_served(places.game_dir, game, "data/file") as served:
            assert served.read(0, len(_OWN)) == _OWN

    _race(places.files(), serve)


def test_no_byte_from_outside_is_hashed(places: _Places, tmp_path: Path) -> None:
    index = Index(tmp_path)
    own = game_manifest({"data/file": _OWN}).files[0]

    def index_anew(_: int) -> None:
        # A folder that was a link for a moment may be found without what is in it.
        (found,) = survey(places.game_dir)
        game = hash_game(
            places.game_dir,
            plan(found, index),
            index,
            on_bytes=lambda _: None,
            is_cancelled=lambda: False,
        )
        assert game is not None
        assert game.manifest.file("data/secret") is None
        assert game.manifest.file("data/file") in (None, own)
        index.forget_other_games(places.game_dir, ())

    try:
        _race(places.files(), index_anew, _RACES // 3)
    finally:
        index.close()


def test_staging_writes_and_is_removed_inside_only(places: _Places) -> None:
    files = {"data/file": _OWN, "version.ini": b"20240229"}
    manifest = game_manifest(files)
    staging = new_staging(places.game_dir, manifest, "race")
    staging.close()
    chunks = list(manifest.chunks_of("data/file"))
    top = places.root / staging.folder
    swaps = (
        Swap(top, "files", places.outside),
        Swap(top / "files", "data", places.outside / "data"),
    )

    def write(_: int) -> None:
        # Opened anew and nothing recorded, so that each time every chunk is written.
        again = Staging.reopen(places.game_dir, "race")
        try:
            again.prepare(manifest.files)
            for chunk in chunks:
                again.write_chunk(chunk, memoryview(_OWN))
        finally:
            again.close()

    _race(swaps, write)
    with swapping(*swaps):
        while beneath.stat(places.root, staging.folder) is not None:
            with suppress(StorageError):
                staging.discard()
