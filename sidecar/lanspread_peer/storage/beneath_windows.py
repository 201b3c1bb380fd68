r"""beneath on Windows: `\\?\` paths, and no part may be a reparse point.

Each part is looked at before the use and the file's identity after it, because Python cannot open
relative to a handle there. Files are opened so that others may rename or delete them meanwhile.
Nothing but `_open` and `_extended` needs Windows, so the rest is tested everywhere. The functions
raise OSError.
"""

import errno
import os
import stat as stat_kinds
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from lanspread_peer.model.paths import fold_path
from lanspread_peer.storage.disk_errors import require_root

# A colon opens a stream of a file, a backslash separates parts.
FORBIDDEN = frozenset("\0\\:")

# There are no handles to keep.
keeping_folders = nullcontext


def open_file(root: Path, parts: Sequence[str], *, write: bool, create: bool, mode: int) -> int:
    path = _checked(root, parts)
    descriptor = _open(path, write=write, create=create, mode=mode)
    try:
        _require_regular(os.fstat(descriptor), os.lstat(_checked(root, parts)))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def stat(root: Path, parts: Sequence[str]) -> os.stat_result:
    return os.lstat(_checked(root, parts))


def list_folder(root: Path, parts: Sequence[str]) -> list[tuple[str, bool]]:
    path = _checked(root, parts)
    _require_folder(path)
    with os.scandir(path) as entries:
        return [(entry.name, _is_folder(os.lstat(entry.path))) for entry in entries]


def list_statuses(root: Path, parts: Sequence[str]) -> dict[str, os.stat_result]:
    path = _checked(root, parts)
    _require_folder(path)
    with os.scandir(path) as entries:
        # What the entry itself tells lacks the inode.
        return {entry.name: os.lstat(entry.path) for entry in entries}


def make_folder(root: Path, parts: Sequence[str], mode: int) -> bool:
    path = _checked(root, parts)
    try:
        os.mkdir(path, mode)  # noqa: PTH102 - an extended path is no pathlib path
    except FileExistsError:
        _require_folder(path)
        return False
    return True


def rename(
    root_a: Path, parts_a: Sequence[str], root_b: Path, parts_b: Sequence[str], *, replace: bool
) -> None:
    old, new = _checked(root_a, parts_a), _checked(root_b, parts_b)
    if replace:
        os.replace(old, new)  # noqa: PTH105 - as above
        return
    if os.path.lexists(new) and fold_path(old) != fold_path(new):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(old, new)  # noqa: PTH104 - as above; Windows itself refuses an existing name


def remove_file(root: Path, parts: Sequence[str]) -> None:
    _drop(os.unlink, _checked(root, parts))


def remove_folder(root: Path, parts: Sequence[str]) -> bool:
    try:
        os.rmdir(_checked(root, parts))  # noqa: PTH106 - as above
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def remove_tree(root: Path, parts: Sequence[str]) -> None:
    refused: list[OSError] = []
    _remove(_checked(root, parts), refused)
    if refused:
        raise refused[0]


def _remove(path: str, refused: list[OSError]) -> None:
    """Remove it and all in it, but for what is refused."""
    try:
        status = os.lstat(path)
        if _is_folder(status):
            for name in os.listdir(path):  # noqa: PTH208 - an extended path is no pathlib path
                _remove(f"{path}{os.sep}{name}", refused)
        # Of a junction, too, rmdir removes only itself.
        _drop(os.rmdir if stat_kinds.S_ISDIR(status.st_mode) else os.unlink, path)
    except FileNotFoundError:
        return
    except OSError as error:
        refused.append(error)


def _drop(remove: Callable[[str], None], path: str) -> None:
    """The system refuses to remove what is read-only, which is of no meaning for that elsewhere."""
    try:
        remove(path)
    except PermissionError:
        status = os.lstat(path)
        if status.st_mode & stat_kinds.S_IWRITE or stat_kinds.S_ISLNK(status.st_mode):
            raise
        os.chmod(path, stat_kinds.S_IWRITE)  # noqa: PTH101 - as above
        remove(path)


def sync_folder(root: Path, parts: Sequence[str]) -> None:
    _require_folder(_checked(root, parts))


def _checked(root: Path, parts: Sequence[str]) -> str:
    """The absolute path; every folder on the way has been looked at."""
    path = _extended(root)
    _require_root(path)
    for part in parts:
        _require_folder(path)
        path = f"{path}{os.sep}{part}"
    return path


def _require_root(path: str) -> None:
    try:
        os.lstat(path)
    except OSError as error:
        require_root(error)
        raise


def _require_regular(opened: os.stat_result, named: os.stat_result) -> None:
    if not stat_kinds.S_ISREG(opened.st_mode):
        raise OSError(errno.EINVAL, "no regular file")
    if not os.path.samestat(opened, named):
        raise OSError(errno.ELOOP, "the path changed while it was opened")


def _require_folder(path: str) -> None:
    if not _is_folder(os.lstat(path)):
        raise NotADirectoryError(errno.ENOTDIR, "no folder, or a link")


def _is_folder(status: os.stat_result) -> bool:
    attributes: int = getattr(status, "st_file_attributes", 0)
    is_reparse_point = attributes & stat_kinds.FILE_ATTRIBUTE_REPARSE_POINT
    return stat_kinds.S_ISDIR(status.st_mode) and not is_reparse_point


def _extended(root: Path) -> str:
    path = str(root)
    if sys.platform == "win32" and not path.startswith("\\\\?\\"):
        is_share = path.startswith("\\\\")
        path = f"\\\\?\\UNC\\{path[2:]}" if is_share else f"\\\\?\\{path}"
    return path


if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    _GENERIC_READ = 0x8000_0000
    _GENERIC_WRITE = 0x4000_0000
    _SHARE_ALL = 0x1 | 0x2 | 0x4
    _CREATE_NEW = 1
    _OPEN_EXISTING = 3
    _OPEN_REPARSE_POINT = 0x0020_0000
    _INVALID_HANDLE = ctypes.c_void_p(-1).value

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _create_file = _kernel32.CreateFileW
    _create_file.restype = wintypes.HANDLE
    _create_file.argtypes = [
        wintypes.LPCWSTR,
        wintypes.DWORD,
        wintypes.DWORD,
        wintypes.LPVOID,
        wintypes.DWORD,
        wintypes.DWORD,
        wintypes.HANDLE,
    ]

    def _open(path: str, *, write: bool, create: bool, mode: int) -> int:  # noqa: ARG001 - ACLs rule
        access = _GENERIC_READ | (_GENERIC_WRITE if write else 0)
        disposition = _CREATE_NEW if create else _OPEN_EXISTING
        handle = _create_file(
            path, access, _SHARE_ALL, None, disposition, _OPEN_REPARSE_POINT, None
        )
        if handle == _INVALID_HANDLE:
            raise ctypes.WinError(ctypes.get_last_error())
        flags = os.O_BINARY | os.O_NOINHERIT | (os.O_RDWR if write else os.O_RDONLY)
        return msvcrt.open_osfhandle(handle, flags)

else:

    def _open(path: str, *, write: bool, create: bool, mode: int) -> int:
        flags = os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_RDWR if write else os.O_RDONLY)
        return os.open(path, flags | (os.O_CREAT | os.O_EXCL if create else 0), mode)
