"""Disks of their own for tests: a tmpfs that can fill up or vanish, a file that is in use."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

needs_mounts = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount"
)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs of this size at `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder)
    try:
        yield folder
    finally:
        # Lazily, since a failed test may have left a process in it.
        _run("umount", "--lazy", folder)


@contextmanager
def moved_away(disk: Path, refuge: Path) -> Iterator[None]:
    """Meanwhile, the disk that is mounted at `disk` is not there, and an empty folder is."""
    refuge.mkdir()
    _run("mount", "--move", disk, refuge)
    try:
        yield
    finally:
        _run("mount", "--move", refuge, disk)
        refuge.rmdir()


@contextmanager
def in_use(file: Path) -> Iterator[None]:
    """Meanwhile, the system refuses to move or delete the file, as it is busy."""
    _run("mount", "--bind", file, file)
    try:
        yield
    finally:
        _run("umount", file)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Meanwhile, nobody may write in the folder, as on a disk that turned read-only."""
    _run("mount", "--bind", folder, folder)
    _run("mount", "-o", "remount,bind,ro", folder)
    try:
        yield
    finally:
        _run("umount", folder)


@contextmanager
def unchangeable(folder: Path) -> Iterator[None]:
    """Meanwhile, nothing can be made in the folder or moved out of it, by root neither."""
    _run("chattr", "+i", folder)
    try:
        yield
    finally:
        _run("chattr", "-i", folder)


@contextmanager
def filled_up(disk: Path) -> Iterator[None]:
    """Meanwhile, there is no free byte on the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    try:
        yield
    finally:
        filler.unlink()


def _run(*words: str | Path) -> None:
    subprocess.run(words, check=True, capture_output=True)
