"""The path guard, on a real disk, in both ways it is built."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lanspread_peer.model.errors import AccessDenied, FileLocked, GameDirGone, StorageError
from lanspread_peer.storage import beneath, beneath_posix, beneath_windows
from lanspread_peer.storage.disk_errors import is_gone, is_missing
from support.storage_folders import open_descriptors, snapshot


@pytest.fixture(params=[beneath_posix, beneath_windows], ids=["posix", "windows"], autouse=True)
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    before = open_descriptors()
    monkeypatch.setattr(beneath, "_system", request.param)
    yield request.param
    assert open_descriptors() <= before


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder that nothing may touch."""
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "canary").write_bytes(b"canary")
    before = snapshot(outside)
    yield outside
    assert snapshot(outside) == before


def test_a_made_file_is_written_and_read_back(root: Path) -> None:
    beneath.make_folders(root, "a/b")
    beneath.write_file(root, "a/b/c", b"content")
    assert beneath.read_file(root, "a/b/c", 100) == b"content"
    assert beneath.read_file(root, "a/b/c", 3) == b"con"
    assert beneath.list_folder(root, "a") == [("b", True)]
    assert beneath.list_folder(root, "a/b") == [("c", False)]
    beneath.sync_folder(root, "a/b")


@pytest.mark.parametrize("path", ["../x", "a/../x", "/x", "a//b", ".", "a/.", "x\0y", "a/"])
def test_a_path_that_leads_elsewhere_is_refused_whoever_made_it(root: Path, path: str) -> None:
    with pytest.raises(StorageError, match="no path below"):
        beneath.open_file(root, path, create=True)
    with pytest.raises(StorageError, match="no path below"):
        beneath.remove_tree(root, path)


@pytest.mark.parametrize("path", ["link/canary", "link", "deep/link/canary"])
def test_no_access_follows_a_link(root: Path, outside: Path, path: str) -> None:
    (root / "deep").mkdir()
    target = outside if "canary" in path else outside / "canary"
    (root / path.removesuffix("/canary")).symlink_to(target)
    for write, create in [(False, False), (True, False), (True, True)]:
        with pytest.raises(StorageError):
            beneath.open_file(root, path, write=write, create=create)


def test_no_change_is_made_behind_a_linked_folder(root: Path, outside: Path) -> None:
    (root / "link").symlink_to(outside)
    (root / "file").write_bytes(b"mine")
    for forbidden in (
        lambda: beneath.make_folder(root, "link/new"),
        lambda: beneath.make_folders(root, "link/new/er"),
        lambda: beneath.make_folder(root, "link"),
        lambda: beneath.write_file(root, "link/new", b"x"),
        lambda: beneath.remove_file(root, "link/canary"),
        lambda: beneath.remove_folder(root, "link/inner"),
        lambda: beneath.remove_tree(root, "link/inner"),
        lambda: beneath.rename(root, "link/canary", root, "stolen"),
        lambda: beneath.rename(root, "file", root, "link/planted"),
        lambda: beneath.list_folder(root, "link"),
        lambda: beneath.sync_folder(root, "link"),
        lambda: beneath.stat(root, "link/canary"),
    ):
        with pytest.raises(StorageError):
            forbidden()
    assert (root / "file").read_bytes() == b"mine"


def test_a_link_as_the_root_is_refused(root: Path, outside: Path) -> None:
    (root / "link").symlink_to(outside)
    with pytest.raises(StorageError):
        beneath.read_file(root / "link", "canary", 10)
    with pytest.raises(StorageError):
        beneath.list_folder(root / "link", "")


def test_removing_a_tree_removes_links_and_not_what_they_lead_to(root: Path, outside: Path) -> None:
    (root / "tree/inner").mkdir(parents=True)
    (root / "tree/inner/link").symlink_to(outside)
    (root / "tree/file").symlink_to(outside / "canary")
    (root / "toplink").symlink_to(outside)
    beneath.remove_tree(root, "tree")
    beneath.remove_tree(root, "toplink")
    beneath.remove_tree(root, "missing")
    assert snapshot(root) == {}


def test_what_is_read_only_in_a_tree_goes_too(
    root: Path, system: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_read_only(monkeypatch)
    beneath.make_folders(root, "tree/inner")
    for path in ("tree/inner/file", "tree/file"):
        beneath.write_file(root, path, b"")
        (root / path).chmod(0o444)
    # Here a folder decides for the other one as well, unless it is root who asks.
    if system is beneath_posix or os.geteuid() == 0:
        for path in ("tree/inner", "tree"):
            (root / path).chmod(0o555)
    beneath.remove_tree(root, "tree")
    assert snapshot(root) == {}


def test_a_read_only_file_is_removed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_read_only(monkeypatch)
    beneath.write_file(root, "file", b"")
    (root / "file").chmod(0o444)
    beneath.remove_file(root, "file")
    assert snapshot(root) == {}


def test_removing_a_tree_goes_on_past_what_is_held_and_tells(
    root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beneath.make_folders(root, "tree/a")
    beneath.make_folders(root, "tree/b")
    for path in ("tree/a/file", "tree/a/held", "tree/b/file", "tree/z"):
        beneath.write_file(root, path, b"")
    (root / "tree/link").symlink_to(outside)
    unlink = os.unlink

    def unlink_others(path: str, *, dir_fd: int | None = None) -> None:
        if path.endswith("held"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink_others)
    with pytest.raises(FileLocked):
        beneath.remove_tree(root, "tree")
    assert snapshot(root) == {"tree": None, "tree/a": None, "tree/a/held": b""}


def refuse_read_only(patch: pytest.MonkeyPatch) -> None:
    """Let the system do, whoever runs this, as each does to a user of no privilege.

    POSIX refuses by the mode of the folder, Windows by that of the file or folder itself.
    """

    def refusing(remove: Any) -> Any:
        def checked(path: str, *, dir_fd: int | None = None) -> None:
            decides = os.lstat(path) if dir_fd is None else os.fstat(dir_fd)
            if not decides.st_mode & stat.S_IWUSR:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            remove(path, dir_fd=dir_fd)

        return checked

    for name in ("unlink", "rmdir"):
        patch.setattr(os, name, refusing(getattr(os, name)))


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_link_swapped_in_on_the_way_never_leads_outside(
    root: Path,
    outside: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: ModuleType,
    moment: int,
) -> None:
    """The folder gives way to a link once the root, itself, or the folder in it was opened."""
    if system is not beneath_posix:
        pytest.skip("only held handles withstand this")
    beneath.make_folders(root, "place/inner")
    real_open, opened = os.open, 0

    def open_and_swap(path: str, flags: int, mode: int = 0, *, dir_fd: int | None = None) -> int:
        nonlocal opened
        descriptor = real_open(path, flags, mode, dir_fd=dir_fd)
        opened += 1
        if opened == moment:
            (root / "place").rename(root / "aside")
            (root / "place").symlink_to(outside)
        return descriptor

    monkeypatch.setattr(os, "open", open_and_swap)
    try:
        os.close(beneath.open_file(root, "place/inner/file", create=True))
    except StorageError:
        assert moment == 1
    else:
        assert (root / "aside/inner/file").exists()


def test_only_regular_files_are_opened_and_a_pipe_does_not_block(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()
    for path in ("pipe", "folder"):
        with pytest.raises(StorageError) as caught:
            beneath.open_file(root, path)
        assert is_gone(caught.value)


def test_creating_never_takes_an_existing_file(root: Path) -> None:
    (root / "file").write_bytes(b"mine")
    with pytest.raises(StorageError):
        beneath.open_file(root, "file", create=True)
    assert (root / "file").read_bytes() == b"mine"


def test_renaming_replaces_only_when_told(root: Path) -> None:
    (root / "old").write_bytes(b"old")
    (root / "new").write_bytes(b"new")
    with pytest.raises(StorageError) as caught:
        beneath.rename(root, "old", root, "new")
    assert caught.value.metadata["errno"] == "EEXIST"
    beneath.rename(root, "old", root, "new", replace=True)
    assert snapshot(root) == {"new": b"old"}


def test_a_dangling_link_in_the_new_place_is_not_replaced(root: Path) -> None:
    (root / "old").write_bytes(b"old")
    (root / "new").symlink_to("nowhere")
    with pytest.raises(StorageError):
        beneath.rename(root, "old", root, "new")
    assert (root / "new").is_symlink()


def test_what_is_missing_is_told_apart_from_what_is_refused(root: Path) -> None:
    assert beneath.stat(root, "missing") is None
    assert beneath.remove_folder(root, "missing") is False
    beneath.remove_file(root, "missing")
    with pytest.raises(StorageError) as caught:
        beneath.open_file(root, "missing")
    assert is_missing(caught.value)


def test_a_root_that_is_gone_is_no_empty_one(root: Path) -> None:
    root.rmdir()
    for access in (
        lambda: beneath.stat(root, "a"),
        lambda: beneath.open_file(root, "a", create=True),
        lambda: beneath.remove_tree(root, "a"),
        lambda: beneath.rename(root, "a", root, "b"),
    ):
        with pytest.raises(GameDirGone):
            access()


def test_only_an_empty_folder_is_removed(root: Path) -> None:
    beneath.make_folders(root, "a/b")
    assert beneath.remove_folder(root, "a") is False
    assert beneath.remove_folder(root, "a/b") is True
    assert beneath.make_folder(root, "a") is False
    assert beneath.make_folder(root, "b") is True


def test_a_file_in_the_place_of_a_folder_is_an_error(root: Path) -> None:
    (root / "a").write_bytes(b"")
    with pytest.raises(StorageError):
        beneath.make_folder(root, "a")
    with pytest.raises(StorageError):
        beneath.make_folders(root, "a/b")


def test_modes_are_those_of_plain_files_and_secrets_are_never_open(root: Path) -> None:
    beneath.make_folder(root, "a")
    beneath.write_file(root, "a/plain", b"")
    beneath.write_file(root, "a/secret", b"", mode=beneath.PRIVATE_MODE)
    umask = os.umask(0o077)
    os.umask(umask)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in [root / "a", *(root / "a").iterdir()]}
    assert modes == {"a": 0o755 & ~umask, "plain": 0o644 & ~umask, "secret": 0o600}


def test_a_failed_write_leaves_the_old_content_and_nothing_else(root: Path) -> None:
    (root / "file").mkdir()
    with pytest.raises(StorageError):
        beneath.write_file(root, "file", b"new")
    assert snapshot(root) == {"file": None}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_denied_place_says_so(root: Path) -> None:
    root.chmod(0o500)
    with pytest.raises(AccessDenied):
        beneath.open_file(root, "file", create=True)


def test_kept_folders_are_reached_again_after_one_was_moved(root: Path) -> None:
    beneath.make_folders(root, "a/b")
    beneath.write_file(root, "a/b/file", b"old")
    with beneath.keeping_folders():
        assert beneath.read_file(root, "a/b/file", 3) == b"old"
        beneath.rename(root, "a/b", root, "a/c")
        with pytest.raises(StorageError) as caught:
            beneath.read_file(root, "a/b/file", 3)
        assert is_missing(caught.value)
        beneath.make_folder(root, "a/b")
        beneath.write_file(root, "a/b/file", b"new")
        assert beneath.read_file(root, "a/b/file", 3) == b"new"
        assert beneath.read_file(root, "a/c/file", 3) == b"old"
        beneath.remove_tree(root, "a")
        beneath.make_folders(root, "a/b")
        assert beneath.list_folder(root, "a/b") == []


def test_a_folder_that_is_removed_and_made_again_is_not_the_kept_one(root: Path) -> None:
    beneath.make_folder(root, "a")
    with beneath.keeping_folders():
        assert beneath.list_folder(root, "a") == []
        assert beneath.remove_folder(root, "a")
        beneath.make_folder(root, "a")
        beneath.write_file(root, "a/file", b"here")
    assert beneath.read_file(root, "a/file", 4) == b"here"


def test_a_link_swapped_in_for_a_kept_folder_leads_nowhere(root: Path, outside: Path) -> None:
    beneath.make_folder(root, "a")
    with suppress(StorageError), beneath.keeping_folders():
        assert beneath.stat(root, "a/file") is None
        (root / "a").rename(root / "aside")
        (root / "a").symlink_to(outside)
        beneath.write_file(root, "a/file", b"secret")
    assert not (outside / "file").exists()


def test_few_folders_are_kept_and_none_beyond_the_block(root: Path) -> None:
    for number in range(20):
        beneath.make_folder(root, f"folder{number}")
    before = open_descriptors()
    with beneath.keeping_folders(), beneath.keeping_folders():
        for number in range(20):
            beneath.list_folder(root, f"folder{number}")
        assert open_descriptors() - before <= 4
    assert open_descriptors() == before
