"""Rolling a publish forward or back, from whatever a crash has left of it.

Each move is judged by where its thing is now, so it does not matter which moves were done, in which
order they became durable, or how often this was begun and cut. Whatever is in the way is a
person's: it is set aside to `.lanspread/conflicts/`, and nothing is ever overwritten or deleted.
"""

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.paths import fold_path
from lanspread_peer.storage import beneath
from lanspread_peer.storage.conflicts import free_conflicts_folder
from lanspread_peer.storage.disk_errors import is_gone
from lanspread_peer.storage.game_dir import CONFLICTS_FOLDER, DISPLACED_FOLDER, OWN_FOLDER, GameDir
from lanspread_peer.storage.journal import Journal, JournalStep
from lanspread_peer.storage.layout import parent
from lanspread_peer.storage.moves import DropFolder, MakeFolder, Move, SyncFolder
from lanspread_peer.storage.publish_steps import BeforeStep, step_name
from lanspread_peer.storage.thing import Kind, is_at, thing_at


def can_roll_forward(game_dir: GameDir, journal: Journal) -> bool:
    """Whether every file that belongs to the new content is in one of its two places.

    Raises StorageError.
    """
    return all(
        is_at(game_dir, thing, move.old) or is_at(game_dir, thing, move.new)
        for move, thing in journal.moves
        if thing.kind is Kind.FILE and not _is_away(move.new)
    )


class Roll:
    """One run over a journal's steps; `conflicts` are what it set aside, below the game folder."""

    def __init__(self, game_dir: GameDir, journal: Journal, before_step: BeforeStep) -> None:
        self.conflicts: list[str] = []
        self._game_dir = game_dir
        self._root = game_dir.root
        self._journal = journal
        self._before_step = before_step
        self._refuge = ""

    def forward(self) -> None:
        """Do what is not done; afterwards all of it is durable. Raises StorageError."""
        for each in self._journal.steps:
            self._before_step(step_name(each.step, self._journal.folder), each.step)
            match each.step:
                case MakeFolder(path):
                    self._make_way(path)
                case DropFolder(path):
                    self._drop(path)
                case SyncFolder(path):
                    sync_if_there(self._game_dir, path)
                case Move(old, new):
                    self._carry(each, old, new)
        self._sync_refuges()

    def back(self) -> None:
        """Take back what is done; afterwards all of it is durable. Raises StorageError."""
        for each in reversed(self._journal.steps):
            self._before_step(step_name(each.step, self._journal.folder), each.step)
            match each.step:
                case MakeFolder(path) if each.is_new:
                    self._drop(path)
                case DropFolder(path):
                    self._restore_folder(path)
                case Move(old, new):
                    self._carry(each, new, old)
        if thing_at(self._game_dir, self._journal.displaced) is not None:
            # Nothing of ours is left in there, so it is nobody's to delete.
            self._set_aside(self._journal.displaced)
        sync_touched(self._game_dir, self._journal)
        self._sync_refuges()

    def _carry(self, each: JournalStep, source: str, target: str) -> None:
        thing = each.thing
        assert thing is not None, "a move moves something"
        if not is_at(self._game_dir, thing, source):
            return
        if not is_at(self._game_dir, thing, target):
            self._make_way(parent(target))
            self._clear(target)
        elif fold_path(source) != fold_path(target):
            return
        # On a disk that ignores case, a folder of another spelling is at both places.
        beneath.rename(self._root, source, self._root, target)

    def _clear(self, path: str) -> None:
        if thing_at(self._game_dir, path) is not None:
            self._set_aside(path)

    def _make_way(self, path: str) -> None:
        """Make a folder and those above it; what is none there is set aside."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            there = thing_at(self._game_dir, folder)
            if there is not None and there.kind is not Kind.FOLDER and parts[0] != OWN_FOLDER:
                self._set_aside(folder)
            if beneath.make_folder(self._root, folder):
                # Or a power cut could leave what is moved into it without the folder.
                beneath.sync_folder(self._root, parent(folder))

    def _set_aside(self, path: str) -> None:
        if not self._refuge:
            # Not one that the journal may still move something out of.
            taken = [move.new for move, _ in self._journal.moves]
            self._refuge = free_conflicts_folder(self._game_dir, self._journal.folder, taken)
        inner = path.removeprefix(f"{self._journal.folder}/").removeprefix(f"{OWN_FOLDER}/")
        refuge = f"{self._refuge}/{inner}"
        self._make_way(parent(refuge))
        beneath.rename(self._root, path, self._root, refuge)
        self.conflicts.append(refuge)

    def _drop(self, path: str) -> None:
        try:
            beneath.remove_folder(self._root, path)
        except StorageError as error:
            if not is_gone(error):
                raise

    def _restore_folder(self, path: str) -> None:
        try:
            beneath.make_folder(self._root, path)
        except StorageError as error:
            # A folder above it has its old spelling already, or is gone.
            if not is_gone(error):
                raise

    def _sync_refuges(self) -> None:
        for path in self.conflicts:
            sync_if_there(self._game_dir, parent(path))


def sync_touched(game_dir: GameDir, journal: Journal) -> None:
    """Make durable whatever the steps, or their undoing, changed; raises StorageError."""
    folders: set[str] = set()
    for each in journal.steps:
        match each.step:
            case Move(old, new):
                folders |= {parent(old), parent(new)}
            case MakeFolder(path) | DropFolder(path):
                folders.add(parent(path))
    for folder in sorted(folders):
        sync_if_there(game_dir, folder)


def sync_if_there(game_dir: GameDir, path: str) -> None:
    """Make the names in a folder durable, if there is one; raises StorageError."""
    try:
        beneath.sync_folder(game_dir.root, path)
    except StorageError as error:
        if not is_gone(error):
            raise


def _is_away(path: str) -> bool:
    return path.startswith((f"{DISPLACED_FOLDER}/", f"{CONFLICTS_FOLDER}/"))
