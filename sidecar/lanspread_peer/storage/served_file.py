"""Files served to peers: looked up in the index, never joined from what a peer sent.

A served file is the one that was hashed, by its size, time and inode, when it is opened; whoever
reads it long asks `is_unchanged` again at the end.
"""

from collections.abc import Iterable, Iterator
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
    return b"".join(served_slices(game_dir, game, [ranges]))


def served_slices(
    game_dir: GameDir, game: IndexedGame, slices: Iterable[Iterable[FileRange]]
) -> Iterator[bytes]:
    """The bytes of each slice in turn.

    A file is looked at again after its last range: that all were unchanged is known when the
    iterator has ended. Raises as open_served and ServedFile.read do.
    """
    with _Reading(game_dir, game) as reading:
        for ranges in slices:
            # Not around the yield, after which another thread may go on.
            with beneath.keeping_folders():
                parts = [reading.read(part) for part in ranges]
            yield parts[0] if len(parts) == 1 else b"".join(parts)
        reading.leave()


class _Reading:
    """One file after the other, each open for as long as it is read."""

    def __init__(self, game_dir: GameDir, game: IndexedGame) -> None:
        self._game_dir = game_dir
        self._game = game
        self._path = ""
        self._file: ServedFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, part: FileRange) -> bytes:
        """These bytes."""
        if self._file is None or part.path != self._path:
            self.leave()
            self._path, self._file = part.path, open_served(self._game_dir, self._game, part.path)
        return self._file.read(part.offset, part.length)

    def leave(self) -> None:
        """Nothing more of this file; raises Stale when it changed."""
        file, self._file = self._file, None
        if file is not None:
            with file:
                if not file.is_unchanged():
                    raise file.stale


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
