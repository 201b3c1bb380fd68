"""The journal of a publish: all its steps, on disk before the first of them.

`.lanspread/journal/<name of the staging>` has a checksum and one JSON value. A start that finds one
finishes what it says, or takes it back. What a move moves is told by kind, size and time, and a new
file by its hashes too, so that no step mistakes a person's file for one of ours. Another user
of this PC may have written the journal, so paths lead only where a publish has business.
"""

import re
from dataclasses import dataclass
from typing import Literal

import msgspec
from blake3 import blake3

from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.model.limits import MAX_JOURNAL_BYTES
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing
from lanspread_peer.storage.game_dir import (
    CONFLICTS_FOLDER,
    DISPLACED_FOLDER,
    OWN_FOLDER,
    STAGING_FOLDER,
    GameDir,
    is_local_folder,
)
from lanspread_peer.storage.moves import DropFolder, MakeFolder, Move, Step, SyncFolder
from lanspread_peer.storage.records import RECORDS_FOLDER
from lanspread_peer.storage.staged_json import is_folder_name, is_staging_name
from lanspread_peer.storage.thing import Kind, Thing

JOURNAL_FOLDER = f"{OWN_FOLDER}/journal"

_FORMAT = 1
_CHECKSUM_CHARACTERS = 64
_DIGEST = re.compile(r"(?:[0-9a-f]{64})?")


@dataclass(frozen=True, slots=True)
class JournalStep:
    """`thing` is what a Move moves; `is_new` tells that a MakeFolder finds nothing there."""

    step: Step
    thing: Thing | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Journal:
    """One publish: the staging's name, the game's folder on disk, and the steps in order."""

    name: str
    folder: str
    steps: tuple[JournalStep, ...]

    @property
    def displaced(self) -> str:
        """Where its displaced files lie, below the game folder."""
        return f"{DISPLACED_FOLDER}/{self.name}"

    @property
    def staged_files(self) -> str:
        """Where its new files lie at first."""
        return f"{STAGING_FOLDER}/{self.name}/files"

    @property
    def moves(self) -> list[tuple[Move, Thing]]:
        """The moves in order, each with what it moves."""
        return [
            (each.step, each.thing)
            for each in self.steps
            if isinstance(each.step, Move) and each.thing is not None
        ]


class _ThingJson(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    kind: Kind
    size: int
    mtime_ns: int
    digest: str


class _StepJson(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    does: Literal["make", "drop", "move", "sync"]
    path: str
    new_path: str = ""
    thing: _ThingJson | None = None
    is_new: bool = False


class _JournalJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lanspread_journal: int
    name: str
    folder: str
    steps: list[_StepJson]


_decoder = msgspec.json.Decoder(_JournalJson)
_encoder = msgspec.json.Encoder()


def write_journal(game_dir: GameDir, journal: Journal) -> None:
    """Put it on disk for good; raises StorageError."""
    data = encode_journal(journal)
    if len(data) > MAX_JOURNAL_BYTES:
        raise StorageError(f"the journal has more than {MAX_JOURNAL_BYTES} bytes", errno="EFBIG")
    beneath.make_folders(game_dir.root, JOURNAL_FOLDER)
    beneath.sync_folder(game_dir.root, OWN_FOLDER)
    beneath.write_file(game_dir.root, journal_path(journal.name), data)


def read_journal(game_dir: GameDir, name: str) -> Journal:
    """Raises IntegrityError when it is torn or makes no sense, else StorageError."""
    path = journal_path(name)
    journal = decode_journal(beneath.read_file(game_dir.root, path, MAX_JOURNAL_BYTES + 1))
    if journal.name != name:
        raise IntegrityError(f"the journal {name!a} is for {journal.name!a}")
    return journal


def remove_journal(game_dir: GameDir, name: str) -> None:
    """Take it from the disk for good; raises StorageError."""
    beneath.remove_file(game_dir.root, journal_path(name))
    beneath.sync_folder(game_dir.root, JOURNAL_FOLDER)


def journal_names(game_dir: GameDir) -> list[str]:
    """What lies in the folder of journals, in order; raises StorageError."""
    try:
        return sorted(name for name, _ in beneath.list_folder(game_dir.root, JOURNAL_FOLDER))
    except StorageError as error:
        if is_missing(error):
            return []
        raise


def has_journal(game_dir: GameDir, name: str) -> bool:
    """Whether the publish of a staging has begun and is not ended; raises StorageError."""
    return beneath.stat(game_dir.root, journal_path(name)) is not None


def journal_path(name: str) -> str:
    """Where the journal of a staging is, below the game folder."""
    return f"{JOURNAL_FOLDER}/{name}"


def encode_journal(journal: Journal) -> bytes:
    """The bytes on disk."""
    data = _encoder.encode(
        _JournalJson(_FORMAT, journal.name, journal.folder, [_to_json(s) for s in journal.steps])
    )
    return _checksum(data) + b"\n" + data


def decode_journal(data: bytes) -> Journal:
    """The journal in `data`; raises IntegrityError unless a publish could have written it."""
    if len(data) > MAX_JOURNAL_BYTES:
        raise IntegrityError(f"journal: expected at most {MAX_JOURNAL_BYTES} bytes")
    checksum, _, body = data.partition(b"\n")
    if checksum != _checksum(body):
        raise IntegrityError("the journal is torn")
    try:
        raw = _decoder.decode(body)
        if raw.lanspread_journal != _FORMAT:
            raise IntegrityError(f"journal: expected format {_FORMAT}")
        if not is_staging_name(raw.name) or not is_folder_name(raw.folder):
            raise IntegrityError("journal: expected names of a staging and of a game's folder")
        steps = tuple(_from_json(each, raw.name, raw.folder) for each in raw.steps)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise IntegrityError(f"journal: {error}") from error
    return Journal(raw.name, raw.folder, steps)


def _to_json(each: JournalStep) -> _StepJson:
    match each.step:
        case MakeFolder(path):
            return _StepJson("make", path, is_new=each.is_new)
        case DropFolder(path):
            return _StepJson("drop", path)
        case SyncFolder(path):
            return _StepJson("sync", path)
        case Move(old, new):
            thing = each.thing
            assert thing is not None, "a move moves something"
            raw = _ThingJson(thing.kind, thing.size, thing.mtime_ns, thing.digest)
            return _StepJson("move", old, new, raw)


def _from_json(raw: _StepJson, name: str, folder: str) -> JournalStep:
    for path in (raw.path, raw.new_path) if raw.does == "move" else (raw.path,):
        # The folder that holds all may be synced, and nothing else may be done to it.
        is_known = not path and raw.does == "sync"
        if not is_known and not _has_business(path, name, folder, is_move=raw.does == "move"):
            raise IntegrityError(f"journal: {path!a} is no path of this publish")
    match raw.does:
        case "make":
            return JournalStep(MakeFolder(raw.path), is_new=raw.is_new)
        case "drop":
            return JournalStep(DropFolder(raw.path))
        case "sync":
            return JournalStep(SyncFolder(raw.path))
        case "move":
            if raw.thing is None or not _DIGEST.fullmatch(raw.thing.digest):
                raise IntegrityError("journal: a move must tell what it moves")
            thing = raw.thing
            return JournalStep(
                Move(raw.path, raw.new_path),
                Thing(thing.kind, thing.size, thing.mtime_ns, thing.digest),
            )


def _has_business(path: str, name: str, folder: str, *, is_move: bool) -> bool:
    """Whether a publish of that staging and game does anything at `path`."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path or "\\" in path:
        return False
    if parts[0] == folder:
        return len(parts) == 1 or not is_local_folder(parts[1])
    own = (
        f"{STAGING_FOLDER}/{name}",
        f"{DISPLACED_FOLDER}/{name}",
        f"{CONFLICTS_FOLDER}/{folder}",
        f"{RECORDS_FOLDER}/{folder}",
    )
    if any(path.startswith(f"{each}/") for each in own):
        return True
    # Folders on the way are made and synced, never moved.
    return not is_move and any(f"{each}/".startswith(f"{path}/") for each in own)


def _checksum(body: bytes) -> bytes:
    return blake3(b"lanspread journal\0" + body).hexdigest()[:_CHECKSUM_CHARACTERS].encode("ascii")
