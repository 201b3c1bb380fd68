import errno
import os
import shutil
from pathlib import Path

import pytest

from lanspread_peer.model.errors import (
    AccessDenied,
    DiskFailure,
    DiskFull,
    FileLocked,
    GameDirGone,
    ReadOnlyDisk,
    StorageError,
)
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, is_gone, is_missing
from lanspread_peer.storage.game_dir import GameDir


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EACCES, AccessDenied),
        (errno.EPERM, AccessDenied),
        (errno.EROFS, ReadOnlyDisk),
        (errno.EBUSY, FileLocked),
        (errno.ETXTBSY, FileLocked),
        (errno.EAGAIN, FileLocked),
        (errno.EIO, DiskFailure),
        (errno.EUCLEAN, DiskFailure),
        (errno.ESTALE, GameDirGone),
        (errno.ENOTCONN, GameDirGone),
        (errno.ENODEV, GameDirGone),
        (errno.ENOENT, StorageError),
        (errno.ENAMETOOLONG, StorageError),
    ],
)
def test_each_error_of_the_system_becomes_the_one_of_the_tree(
    code: int, kind: type[StorageError]
) -> None:
    with pytest.raises(StorageError) as caught, disk_errors("read 'a'"):
        raise OSError(code, os.strerror(code))
    assert type(caught.value) is kind
    assert caught.value.metadata == {"doing": "read 'a'", "errno": errno.errorcode[code]}
    assert is_missing(caught.value) == (code == errno.ENOENT)
    assert is_gone(caught.value) == (code == errno.ENOENT)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (112, DiskFull),
        (39, DiskFull),
        (5, AccessDenied),
        (19, ReadOnlyDisk),
        (32, FileLocked),
        (33, FileLocked),
        (1117, DiskFailure),
        (64, GameDirGone),
        (2, AccessDenied),
    ],
)
def test_on_windows_its_own_code_says_more_than_the_errno(
    code: int, kind: type[StorageError]
) -> None:
    # As Python makes them there: of most codes that it does not know, a plain denial.
    refused = PermissionError(errno.EACCES, "refused")
    setattr(refused, "winerror", code)  # noqa: B010 - mypy knows no such attribute here
    with pytest.raises(StorageError) as caught, disk_errors("read"):
        raise refused
    assert type(caught.value) is kind


def test_a_root_that_is_gone_is_told_apart_from_a_missing_file(tmp_path: Path) -> None:
    root = tmp_path / "games"
    root.mkdir()
    assert beneath.stat(root, "missing") is None
    root.rmdir()
    for access in (
        lambda: beneath.stat(root, "missing"),
        lambda: beneath.remove_file(root, "missing"),
        lambda: beneath.list_folder(root, ""),
        lambda: beneath.make_folders(root, "a/b"),
        lambda: GameDir(root).require_space(1),
    ):
        with pytest.raises(GameDirGone) as caught:
            access()
        assert not is_missing(caught.value)
        assert not is_gone(caught.value)


def test_an_empty_folder_in_the_place_of_a_mounted_one_is_no_game_folder(tmp_path: Path) -> None:
    game_dir = GameDir.open(str(tmp_path))
    game_dir.make_own()
    game_dir.require_present()
    # What an unmount leaves is the folder that the disk was mounted on.
    shutil.rmtree(game_dir.own)
    with pytest.raises(GameDirGone, match="not mounted"):
        game_dir.require_present()


def test_an_error_without_a_number_is_a_storage_error() -> None:
    with pytest.raises(StorageError, match="cannot read: OSError"), disk_errors("read"):
        raise OSError
