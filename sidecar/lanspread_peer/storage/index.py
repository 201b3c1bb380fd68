"""The index: the hashes of files, kept between runs so that each file is hashed once.

SQLite in the state folder. It is a cache: one that is corrupt or of another format is deleted and
built again, and losing it costs time only. Rows are keyed by game folder, game and path, all as the
disk spells them. Any thread may call; one lock makes them take turns.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeVar

from lanspread_peer.model.errors import DiskFull, StorageError
from lanspread_peer.storage import beneath
from lanspread_peer.storage.game_dir import GameDir

FORMAT = 1
INDEX_FILE = "index.sqlite"

_SCHEMA = """
CREATE TABLE files (
    game_dir BLOB NOT NULL,
    folder TEXT NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (game_dir, folder, path)
) WITHOUT ROWID
"""
# SQLITE_ERROR is about a statement, and ours are right for every index that has our tables.
_BROKEN = frozenset(
    [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR]
)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FileRow:
    """A hashed file: how it looked then, and its chunk hashes end to end."""

    size: int
    mtime_ns: int
    inode: int
    hashes: bytes


class Index:
    """The open database."""

    def __init__(self, state_dir: Path) -> None:
        """Opens the index in the state folder, or makes one; raises StorageError."""
        self._state_dir = state_dir
        self._lock = Lock()
        self._database: sqlite3.Connection | None = None
        with self._lock:
            self._run(lambda _: None)

    @property
    def state_dir(self) -> Path:
        """The state folder that it is in."""
        return self._state_dir

    def rows_of(self, game_dir: GameDir, folder: str) -> dict[str, FileRow]:
        """The rows of one game by the path on disk; raises StorageError."""
        query = (
            "SELECT path, size, mtime_ns, inode, hashes FROM files WHERE game_dir=? AND folder=?"
        )

        def read(database: sqlite3.Connection) -> dict[str, FileRow]:
            rows = database.execute(query, (_key(game_dir), folder))
            return {path: FileRow(*row) for path, *row in rows}

        with self._lock:
            return self._run(read)

    def replace_rows(
        self,
        game_dir: GameDir,
        folder: str,
        changed: Mapping[str, FileRow],
        removed: Collection[str] = (),
    ) -> None:
        """Write rows and delete others in one transaction; raises StorageError."""
        key = _key(game_dir)

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.executemany(
                    "DELETE FROM files WHERE game_dir=? AND folder=? AND path=?",
                    ((key, folder, path) for path in removed),
                )
                database.executemany(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        (key, folder, path, row.size, row.mtime_ns, row.inode, row.hashes)
                        for path, row in changed.items()
                    ),
                )

        with self._lock:
            self._run(write)

    def forget_other_games(self, game_dir: GameDir, folders: Collection[str]) -> None:
        """Delete the rows of this game folder's games that are not among `folders`."""
        key = _key(game_dir)

        def forget(database: sqlite3.Connection) -> None:
            known = database.execute("SELECT DISTINCT folder FROM files WHERE game_dir=?", (key,))
            gone = {folder for (folder,) in known}.difference(folders)
            with database:
                database.executemany(
                    "DELETE FROM files WHERE game_dir=? AND folder=?",
                    ((key, folder) for folder in gone),
                )

        with self._lock:
            self._run(forget)

    def close(self) -> None:
        """Give the database back; a later call opens it again."""
        with self._lock:
            self._close()

    def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """The lock is held."""
        try:
            try:
                return work(self._open())
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if not _is_broken(error):
                    raise
                self._delete()
                return work(self._open())
        except sqlite3.Error as error:
            kind = DiskFull if _code_of(error) == sqlite3.SQLITE_FULL else StorageError
            raise kind(f"cannot use the index: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = self._connect()
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version != FORMAT:
                self._delete()
                self._database = self._connect()
                self._database.executescript(f"{_SCHEMA}; PRAGMA user_version = {FORMAT}")
        return self._database

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._state_dir / INDEX_FILE, check_same_thread=False)
        try:
            # A power cut may lose the last rows, never the database.
            database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        except BaseException:
            database.close()
            raise
        return database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _delete(self) -> None:
        self._close()
        for suffix in ("", "-wal", "-shm"):
            beneath.remove_file(self._state_dir, INDEX_FILE + suffix)


def _is_broken(error: sqlite3.DatabaseError | UnicodeDecodeError) -> bool:
    if isinstance(error, UnicodeDecodeError):
        # Of a damaged name, in the very message that complains of it.
        return True
    code = _code_of(error)
    # Without a code it is the module's own complaint, of a text that is no UTF-8.
    return code in _BROKEN or (code is None and isinstance(error, sqlite3.OperationalError))


def _code_of(error: sqlite3.Error) -> int | None:
    # The low byte is the primary code; errors of the sqlite3 module itself have none.
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _key(game_dir: GameDir) -> bytes:
    return os.fsencode(game_dir.root)
