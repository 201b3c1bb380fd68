"""Files served to peers: looked up in the index, never joined from what a peer sent.

A served file is the one that was hashed, by its size, time and inode, when it is opened; whoever
reads it long asks `is_unchanged` again at the end.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from lanspread_peer.core.run_slices import FileRange
from lanspread_peer.model.errors import NotFoundByPeer, Stale, StorageError
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors, is_gone
from lanspread_peer.storage.found import FoundFile
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.hasher import IndexedGame
from lanspread_peer.storage.positional_file import PositionalFile
from lanspread_peer.storage.stamp import is_same, stamp_of


def open_served(game_dir: GameDir, game: IndexedGame, path: str) -> "ServedFile":
    """Open a file of the game by the path that a peer named; the caller closes it.

    Raises NotFoundByPeer when the index has no such path, Stale when the file is not the one
    hashed, or StorageError when the disk refuses.
    """
    file = game.served.get(SafeRelPath(path))
    if file is None:
        raise NotFoundByPeer(f"no file {path[:120]!a}", path=ascii(path[:120]))
    try:
        descriptor = beneath.open_file(game_dir.root, f"{game.found.folder}/{file.disk_path}")
    except StorageError as error:
        if is_gone(error):
            raise _stale(file) from error
        raise
    served = ServedFile(file, PositionalFile(descriptor))
    try:
        if served.is_unchanged():
            return served
    except BaseException:
        served.close()
        raise
    served.close()
    raise _stale(file)


def read_served(game_dir: GameDir, game: IndexedGame, ranges: Iterable[FileRange]) -> bytes:
    """The bytes of these ranges, one after the other, of files unchanged since they were hashed.

    Raises as open_served and ServedFile.read do.
    """
    parts = []
    for part in ranges:
        with open_served(game_dir, game, part.path) as served:
            parts.append(served.read(part.offset, part.length))
            if not served.is_unchanged():
                raise served.stale
    return b"".join(parts)


class ServedFile:
    """An open file for one or more threads; `size` is in bytes."""

    def __init__(self, file: FoundFile, opened: PositionalFile) -> None:
        self._file = file
        self._opened = opened

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def size(self) -> int:
        return self._file.size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly that range.

        Raises NotFoundByPeer when it is not inside the file, Stale when the file got shorter, or
        StorageError.
        """
        if offset < 0 or length < 0 or offset + length > self._file.size:
            raise NotFoundByPeer(f"no such range in a file of {self._file.size} bytes")
        with disk_errors(f"read {self._file.disk_path!a}"):
            data = self._opened.read(offset, length)
        if len(data) != length:
            raise _stale(self._file)
        return data

    def is_unchanged(self) -> bool:
        """Whether the file still looks as it did when it was hashed; raises StorageError."""
        with disk_errors(f"look at {self._file.disk_path!a}"):
            return is_same(self._file, stamp_of(self._opened.stat()))

    @property
    def stale(self) -> Stale:
        """The error that says that it changed."""
        return _stale(self._file)

    def close(self) -> None:
        """Closing twice is no error."""
        self._opened.close()


def _stale(file: FoundFile) -> Stale:
    return Stale(f"{file.disk_path!a} changed since it was hashed", path=ascii(file.disk_path))
