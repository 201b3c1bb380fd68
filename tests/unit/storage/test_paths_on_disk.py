"""The corpus on a real disk, as if nobody had checked a path before: nothing outside is touched."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

from lanspread_peer.model.errors import NotFoundByPeer, StorageError
from lanspread_peer.model.ids import GameId
from lanspread_peer.storage import beneath, beneath_posix, beneath_windows
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.records import read_record
from lanspread_peer.storage.served_file import open_served
from support.hostile_paths import (
    harmless_paths,
    hostile_paths,
    never_shared_paths,
)
from support.storage_folders import AOE2, index_game, make_game_dir, snapshot

_ALL = [*(path for _, path in hostile_paths()), *never_shared_paths(), *harmless_paths()]
_CANARIES = ("x", "a", "b", "canary", "version.ini", "etc/passwd", "server/share", ".ssh/x")


def _leads_out(path: str, system: ModuleType) -> bool:
    """Whether some part means another place than a name in the folder before it."""
    parts = path.split("/")
    is_split = any(system.FORBIDDEN.intersection(part) for part in parts)
    return bool(path) and (is_split or "\0" in path or bool({"", ".", ".."}.intersection(parts)))


def _read(root: Path, path: str) -> None:
    assert beneath.read_file(root, path, 100) != b"canary"


def _stat(root: Path, path: str) -> None:
    status = beneath.stat(root, path)
    assert status is None or status.st_size != len(b"canary")


_ACCESSES: dict[str, Callable[[Path, str], object]] = {
    "read": _read,
    "stat": _stat,
    "list": beneath.list_folder,
    "sync": beneath.sync_folder,
    "make": lambda root, path: os.close(beneath.open_file(root, path, create=True)),
    "write": lambda root, path: beneath.write_file(root, path, b"planted"),
    "make folder": beneath.make_folder,
    "make folders": beneath.make_folders,
    "move there": lambda root, path: beneath.rename(root, "own", root, path),
    "move from": lambda root, path: beneath.rename(root, path, root, "stolen"),
    "remove": beneath.remove_file,
    "remove folder": beneath.remove_folder,
    "remove tree": beneath.remove_tree,
}


@pytest.fixture(params=[beneath_posix, beneath_windows], ids=["posix", "windows"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(beneath, "_system", request.param)
    module: ModuleType = request.param
    return module


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A folder in the midst of canaries, which nothing may touch."""
    outside = tmp_path / "outside"
    root = outside / "root"
    root.mkdir(parents=True)
    for name in _CANARIES:
        for folder in (outside, tmp_path):
            canary = folder / name
            canary.parent.mkdir(exist_ok=True)
            canary.write_bytes(b"canary")
    before = _outside(tmp_path, root)
    yield root
    assert _outside(tmp_path, root) == before


def _outside(around: Path, root: Path) -> dict[str, bytes | str | None]:
    own = str(root.relative_to(around))
    return {name: of for name, of in snapshot(around).items() if not name.startswith(f"{own}/")}


@pytest.mark.parametrize("access", _ACCESSES)
def test_no_path_leads_outside_even_unchecked(root: Path, system: ModuleType, access: str) -> None:
    for path in filter(None, _ALL):
        for prefix in ("", "game/", ".lanspread/staging/d/files/"):
            (root / "own").touch()
            try:
                _ACCESSES[access](root, prefix + path)
            except StorageError:
                continue
            assert not _leads_out(path, system), f"{path!a} was not refused"


def test_what_is_made_under_a_strange_name_has_exactly_that_name(root: Path) -> None:
    for number, path in enumerate(harmless_paths()):
        folder, _, name = f"{number}/{path}".rpartition("/")
        beneath.make_folders(root, folder)
        beneath.write_file(root, f"{folder}/{name}", b"mine")
        assert beneath.list_folder(root, folder) == [(name, False)]


def test_a_path_that_the_index_does_not_have_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    index = Index(tmp_path)
    game, _ = index_game(game_dir, "aoe2", index)
    index.close()

    def refuse(*_: object, **__: object) -> int:
        raise AssertionError("a path from a peer reached the disk")

    monkeypatch.setattr(beneath, "open_file", refuse)
    for path in _ALL:
        if path != "version.ini":
            with pytest.raises(NotFoundByPeer):
                open_served(game_dir, game, path)


def test_a_game_id_that_is_a_hostile_path_finds_no_folder_and_no_record(tmp_path: Path) -> None:
    game_dir = make_game_dir(tmp_path / "games", {"aoe2": AOE2})
    (tmp_path / "version.ini").write_bytes(b"canary")
    for _, path in hostile_paths():
        assert game_dir.folder_of(GameId(path)) is None
        with suppress(StorageError):
            assert read_record(game_dir, path) is None
