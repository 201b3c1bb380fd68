"""A log of all that storage does to a folder: writes, syncs, and changes of names, in their order.

It stands between storage and the system's calls, lets each of them happen, and writes it down.
Files and folders have numbers of their own here, because the system gives those of deleted ones
again.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

import pytest


@dataclass(frozen=True)
class Create:
    """A new file or folder."""

    folder: int
    name: str
    number: int
    is_folder: bool


@dataclass(frozen=True)
class Rename:
    """All at once, over whatever had the new name."""

    folder: int
    name: str
    new_folder: int
    new_name: str
    number: int


@dataclass(frozen=True)
class Remove:
    """A name is gone."""

    folder: int
    name: str


@dataclass(frozen=True)
class Write:
    """Bytes at an offset."""

    number: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Resize:
    """A file has another size."""

    number: int
    size: int


@dataclass(frozen=True)
class Sync:
    """All before that was done to a file, or to the names in a folder, is on disk."""

    number: int
    mtime_ns: int


NameChange = Create | Rename | Remove
Operation = NameChange | Write | Resize | Sync


@dataclass
class Node:
    """What lies on the disk under one number; `names` is for folders, `target` for links."""

    mtime_ns: int
    names: dict[str, int] | None = None
    content: bytes = b""
    target: str = ""


@dataclass
class DiskLog:
    """What was there at first, by number, 0 being the folder itself; and what was done then."""

    nodes: dict[int, Node] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)
    _last: int = -1
    _lock: Any = field(default_factory=RLock)

    def number_of(self, descriptor: int | None) -> int | None:
        """The number of an open file or folder, or None when it lies elsewhere."""
        return None if descriptor is None else self._numbers.get(os.fstat(descriptor).st_ino)

    def add(self, inode: int) -> int:
        self._last += 1
        self._numbers[inode] = self._last
        return self._last

    def scan(self, path: Path) -> int:
        """Take up what lies at a path, and below it."""
        status = path.lstat()
        number = self.add(status.st_ino)
        node = self.nodes[number] = Node(status.st_mtime_ns)
        if path.is_symlink():
            node.target = str(path.readlink())
        elif path.is_dir():
            node.names = {each.name: self.scan(each) for each in sorted(path.iterdir())}
        else:
            node.content = path.read_bytes()
        return number


@contextmanager
def logged(root: Path) -> Iterator[DiskLog]:
    """Log what happens below a folder, by descriptors of folders, within the block."""
    log = DiskLog()
    log.scan(root)
    with pytest.MonkeyPatch.context() as patch:
        _watch_names(log, patch)
        _watch_removals(log, patch)
        _watch_data(log, patch)
        yield log


def _watch_names(log: DiskLog, patch: pytest.MonkeyPatch) -> None:
    real_open, real_mkdir, real_rename = os.open, os.mkdir, os.rename

    def created(name: str, folder: int, *, is_folder: bool) -> None:
        holder = log.number_of(folder)
        if holder is not None:
            number = log.add(os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino)
            log.operations.append(Create(holder, name, number, is_folder))

    def open_(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        with log._lock:
            descriptor = real_open(path, flags, mode, dir_fd=dir_fd)
            if flags & os.O_CREAT and dir_fd is not None:
                created(path, dir_fd, is_folder=False)
            return descriptor

    def mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        with log._lock:
            real_mkdir(path, mode, dir_fd=dir_fd)
            if dir_fd is not None:
                created(path, dir_fd, is_folder=True)

    def rename(old: Any, new: Any, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        with log._lock:
            inode = os.stat(old, dir_fd=src_dir_fd, follow_symlinks=False).st_ino
            real_rename(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            folder, new_folder = log.number_of(src_dir_fd), log.number_of(dst_dir_fd)
            if folder is not None and new_folder is not None:
                number = log._numbers[inode]
                log.operations.append(Rename(folder, old, new_folder, new, number))

    patch.setattr(os, "open", open_)
    patch.setattr(os, "mkdir", mkdir)
    patch.setattr(os, "rename", rename)


def _watch_removals(log: DiskLog, patch: pytest.MonkeyPatch) -> None:
    real_unlink, real_rmdir = os.unlink, os.rmdir

    def removed(name: str, folder: int | None) -> None:
        holder = log.number_of(folder)
        if holder is not None:
            log.operations.append(Remove(holder, name))

    def unlink(path: Any, *, dir_fd: int | None = None) -> None:
        with log._lock:
            real_unlink(path, dir_fd=dir_fd)
            removed(path, dir_fd)

    def rmdir(path: Any, *, dir_fd: int | None = None) -> None:
        with log._lock:
            real_rmdir(path, dir_fd=dir_fd)
            removed(path, dir_fd)

    patch.setattr(os, "unlink", unlink)
    patch.setattr(os, "rmdir", rmdir)


def _watch_data(log: DiskLog, patch: pytest.MonkeyPatch) -> None:
    real_pwrite, real_write = os.pwrite, os.write
    real_ftruncate, real_fsync = os.ftruncate, os.fsync

    def pwrite(descriptor: int, data: Any, offset: int) -> int:
        with log._lock:
            written = real_pwrite(descriptor, data, offset)
            number = log.number_of(descriptor)
            if number is not None:
                log.operations.append(Write(number, offset, bytes(data[:written])))
            return written

    def write(descriptor: int, data: Any) -> int:
        with log._lock:
            number = log.number_of(descriptor)
            offset = os.lseek(descriptor, 0, os.SEEK_CUR) if number is not None else 0
            written = real_write(descriptor, data)
            if number is not None:
                log.operations.append(Write(number, offset, bytes(data[:written])))
            return written

    def ftruncate(descriptor: int, size: int) -> None:
        with log._lock:
            real_ftruncate(descriptor, size)
            number = log.number_of(descriptor)
            if number is not None:
                log.operations.append(Resize(number, size))

    def fsync(descriptor: int) -> None:
        with log._lock:
            real_fsync(descriptor)
            number = log.number_of(descriptor)
            if number is not None:
                log.operations.append(Sync(number, os.fstat(descriptor).st_mtime_ns))

    patch.setattr(os, "pwrite", pwrite)
    patch.setattr(os, "write", write)
    patch.setattr(os, "ftruncate", ftruncate)
    patch.setattr(os, "fsync", fsync)
