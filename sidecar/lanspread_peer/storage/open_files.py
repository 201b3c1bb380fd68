"""A bounded set of open files, so that a game of any number of files needs few descriptors."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from lanspread_peer.storage.positional_file import PositionalFile


class _Slot:
    __slots__ = ("file", "users")

    def __init__(self, file: PositionalFile) -> None:
        self.file = file
        self.users = 0


class OpenFiles:
    """Opens files by path and closes the least recently used ones.

    A file in use is never closed, so with more threads than `max_open` there are as many open
    files as threads. Any thread may call.
    """

    def __init__(self, open_file: Callable[[str], int], max_open: int) -> None:
        """`open_file` gives the descriptor of a path; what it raises goes through."""
        self._open_file = open_file
        self._max_open = max_open
        self._lock = Lock()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()

    @contextmanager
    def use(self, path: str) -> Iterator[PositionalFile]:
        """The open file, which stays open within the block."""
        slot = self._take(path)
        try:
            yield slot.file
        finally:
            with self._lock:
                slot.users -= 1

    def close(self) -> None:
        """Close all files; a later use opens them again."""
        with self._lock:
            slots, self._slots = self._slots, OrderedDict()
        for slot in slots.values():
            slot.file.close()

    def _take(self, path: str) -> _Slot:
        with self._lock:
            slot = self._slots.get(path)
            if slot is None:
                self._make_room()
                slot = self._slots[path] = _Slot(PositionalFile(self._open_file(path)))
            self._slots.move_to_end(path)
            slot.users += 1
        return slot

    def _make_room(self) -> None:
        while len(self._slots) >= self._max_open:
            idle = (path for path, slot in self._slots.items() if not slot.users)
            path = next(idle, None)
            if path is None:
                return
            self._slots.pop(path).file.close()
