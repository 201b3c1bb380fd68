"""A process that swaps folders and files for links to others as fast as it can, and back.

`renameat2` with RENAME_EXCHANGE leaves no moment at which neither is there; where the file system
cannot, two renames stand in. It holds the folders it works in by handle, so that it never loses
its way through its own links. It ends when its input does, and then tells how often it swapped.
"""

import ctypes
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

_AT_ONCE = 64
_EXCHANGE = 2
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Swap:
    """`folder/name` is to change places with a link to `target`, all below a real folder.

    With `inner`, the folder is that one within `folder`, looked up anew each time, because others
    may remove it and make it again.
    """

    folder: Path
    name: str
    target: Path
    inner: str = ""


class Swapper:
    """The running process; `count` is known once it has ended."""

    def __init__(self) -> None:
        self.count = 0


@contextmanager
def swapping(*swaps: Swap) -> Iterator[Swapper]:
    """Swap until the end of the block."""
    listed = [[str(s.folder), s.inner, s.name, str(s.target)] for s in swaps]
    command = [sys.executable, __file__, json.dumps(listed)]
    swapper = Swapper()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"swapping\n"
            yield swapper
        finally:
            process.stdin.close()
            swapper.count = int(process.stdout.readline() or 0)


class _Place:
    def __init__(self, folder: str, inner: str, name: str, target: str) -> None:
        self._folder = os.open(folder, _FOLDER)
        self._inner = inner
        self._name = name
        self._other = f".swap-{name}"
        self._target = target
        self._libc = ctypes.CDLL(None, use_errno=True)

    def swap(self) -> bool:
        try:
            held = os.open(self._inner, _FOLDER, dir_fd=self._folder) if self._inner else None
        except OSError:
            return False
        try:
            return self._swap_in(self._folder if held is None else held)
        except OSError:
            return False
        finally:
            if held is not None:
                os.close(held)

    def restore(self) -> None:
        """Leave what is real in its place, so that another swapper can begin there."""
        with suppress(OSError):
            os.readlink(self._name, dir_fd=self._folder)
            self.swap()

    def _swap_in(self, held: int) -> bool:
        with suppress(FileExistsError):
            os.symlink(self._target, self._other, dir_fd=held)
        if hasattr(self._libc, "renameat2"):
            name, other = os.fsencode(self._name), os.fsencode(self._other)
            if self._libc.renameat2(held, name, held, other, _EXCHANGE) == 0:
                return True
        aside = f"{self._other}-aside"
        os.rename(self._name, aside, src_dir_fd=held, dst_dir_fd=held)
        os.rename(self._other, self._name, src_dir_fd=held, dst_dir_fd=held)
        os.rename(aside, self._other, src_dir_fd=held, dst_dir_fd=held)
        return True


def _main() -> None:
    places = [_Place(*each) for each in json.loads(sys.argv[1])]
    swapped = 0
    rng = Random(1)
    print("swapping", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        for _ in range(_AT_ONCE):
            # In any order, or some combination of what is real and what a link would be rare.
            swapped += rng.choice(places).swap()
    for place in places:
        place.restore()
    print(swapped, flush=True)


if __name__ == "__main__":
    _main()
