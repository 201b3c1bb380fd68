"""beneath on POSIX: each part is opened from the handle of the folder that holds it.

The functions raise OSError. Opened handles stay the folder they were, so a link swapped in later
changes nothing.
"""

import errno
import os
import stat as stat_kinds
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lanspread_peer.model.paths import fold_path
from lanspread_peer.storage.disk_errors import require_root
from lanspread_peer.storage.durable import sync_descriptor

assert sys.platform != "win32"

FORBIDDEN = frozenset("\0")

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe would wait for its other end.
_FILE_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# Files are moved from one folder to another, and mostly come sorted by folder.
_MAX_KEPT = 4


class _Kept:
    """The handles of the folders that were used last."""

    def __init__(self) -> None:
        self._handles: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def handle(self, root: Path, parts: Sequence[str]) -> int:
        key = (os.fspath(root), *parts)
        if key not in self._handles:
            self._handles[key] = _walk(root, parts)
            if len(self._handles) > _MAX_KEPT:
                os.close(self._handles.popitem(last=False)[1])
        self._handles.move_to_end(key)
        return self._handles[key]

    def forget(self, root: Path, parts: Sequence[str]) -> None:
        """That path leads elsewhere now, or nowhere."""
        gone = (os.fspath(root), *parts)
        for key in [key for key in self._handles if key[: len(gone)] == gone]:
            os.close(self._handles.pop(key))

    def close(self) -> None:
        while self._handles:
            os.close(self._handles.popitem()[1])


class _OfThread(threading.local):
    kept: _Kept | None = None


_of_thread = _OfThread()


@contextmanager
def keeping_folders() -> Iterator[None]:
    if _of_thread.kept is not None:
        yield
        return
    _of_thread.kept = kept = _Kept()
    try:
        yield
    finally:
        _of_thread.kept = None
        kept.close()


class _held:  # noqa: N801 - used as a function; as a generator it cost as much as the calls in it
    """The handle of a folder, closed at the end unless it is kept."""

    __slots__ = ("_closing", "_handle")

    def __init__(self, root: Path, parts: Sequence[str]) -> None:
        kept = _of_thread.kept
        self._closing = kept is None
        self._handle = _walk(root, parts) if kept is None else kept.handle(root, parts)

    def __enter__(self) -> int:
        return self._handle

    def __exit__(self, *_: object) -> None:
        if self._closing:
            os.close(self._handle)


def _walk(root: Path, parts: Sequence[str]) -> int:
    try:
        held = os.open(root, _FOLDER_FLAGS)
    except OSError as error:
        require_root(error)
        raise
    try:
        for part in parts:
            inner = os.open(part, _FOLDER_FLAGS, dir_fd=held)
            held, outer = inner, held
            os.close(outer)
    except BaseException:
        os.close(held)
        raise
    return held


def _forget(root: Path, parts: Sequence[str]) -> None:
    if _of_thread.kept is not None:
        _of_thread.kept.forget(root, parts)


def open_file(root: Path, parts: Sequence[str], *, write: bool, create: bool, mode: int) -> int:
    flags = _FILE_FLAGS | (os.O_RDWR if write else os.O_RDONLY)
    if create:
        flags |= os.O_CREAT | os.O_EXCL
    with _held(root, parts[:-1]) as held:
        descriptor = os.open(parts[-1], flags, mode, dir_fd=held)
    # What is made anew is a regular file.
    if not create and not stat_kinds.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file")
    return descriptor


def stat(root: Path, parts: Sequence[str]) -> os.stat_result:
    with _held(root, parts[:-1]) as held:
        if not parts:
            return os.fstat(held)
        return os.stat(parts[-1], dir_fd=held, follow_symlinks=False)


def list_folder(root: Path, parts: Sequence[str]) -> list[tuple[str, bool]]:
    with _held(root, parts) as held, os.scandir(held) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]


def list_statuses(root: Path, parts: Sequence[str]) -> dict[str, os.stat_result]:
    with _held(root, parts) as held, os.scandir(held) as entries:
        return {entry.name: entry.stat(follow_symlinks=False) for entry in entries}


def make_folder(root: Path, parts: Sequence[str], mode: int) -> bool:
    with _held(root, parts[:-1]) as held:
        try:
            os.mkdir(parts[-1], mode, dir_fd=held)
        except FileExistsError:
            # Whatever is there must be a real folder.
            os.close(os.open(parts[-1], _FOLDER_FLAGS, dir_fd=held))
            return False
    return True


def rename(
    root_a: Path, parts_a: Sequence[str], root_b: Path, parts_b: Sequence[str], *, replace: bool
) -> None:
    with _held(root_a, parts_a[:-1]) as old, _held(root_b, parts_b[:-1]) as new:
        if not replace:
            _require_empty_place(old, parts_a[-1], new, parts_b[-1])
        os.rename(parts_a[-1], parts_b[-1], src_dir_fd=old, dst_dir_fd=new)
    _forget(root_a, parts_a)
    _forget(root_b, parts_b)


def _require_empty_place(old: int, old_name: str, new: int, new_name: str) -> None:
    try:
        there = os.stat(new_name, dir_fd=new, follow_symlinks=False)
    except FileNotFoundError:
        return
    # Where the disk ignores case, changing the case of a name finds the very same file there.
    if fold_path(old_name) == fold_path(new_name) and os.path.samestat(
        os.fstat(old), os.fstat(new)
    ):
        moved = os.stat(old_name, dir_fd=old, follow_symlinks=False)
        if os.path.samestat(moved, there):
            return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def remove_file(root: Path, parts: Sequence[str]) -> None:
    with _held(root, parts[:-1]) as held:
        os.unlink(parts[-1], dir_fd=held)


def remove_folder(root: Path, parts: Sequence[str]) -> bool:
    try:
        with _held(root, parts[:-1]) as held:
            os.rmdir(parts[-1], dir_fd=held)
        _forget(root, parts)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def remove_tree(root: Path, parts: Sequence[str]) -> None:
    refused: list[OSError] = []
    with _held(root, parts[:-1]) as held:
        _remove(held, parts[-1], refused)
    _forget(root, parts)
    if refused:
        raise refused[0]


def _remove(held: int, name: str, refused: list[OSError]) -> None:
    """Remove it and all in it, but for what is refused."""
    try:
        status = os.stat(name, dir_fd=held, follow_symlinks=False)
        if not stat_kinds.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=held)
            return
        inner = os.open(name, _FOLDER_FLAGS, dir_fd=held)
        try:
            _make_writable(inner)
            for each in os.listdir(inner):  # noqa: PTH208 - a handle is no path
                _remove(inner, each, refused)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=held)
    except FileNotFoundError:
        return
    except OSError as error:
        refused.append(error)


def _make_writable(folder: int) -> None:
    mode = os.fstat(folder).st_mode
    if mode & stat_kinds.S_IRWXU != stat_kinds.S_IRWXU:
        # Of another user it stays as it is, and what is in it will be refused.
        with suppress(OSError):
            os.fchmod(folder, stat_kinds.S_IRWXU)


def sync_folder(root: Path, parts: Sequence[str]) -> None:
    with _held(root, parts) as held:
        sync_descriptor(held)
