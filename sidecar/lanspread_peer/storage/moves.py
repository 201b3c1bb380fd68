"""Reversible steps on disk: a list of them is carried out wholly or not at all.

Each step is a value that can be written down, and applying it gives the step that undoes it. No
step deletes a byte, so whatever happens between two of them, nothing is lost.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lanspread_peer.model.errors import StorageError
from lanspread_peer.storage import beneath


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Make a folder, unless there is one."""

    path: str

    def apply(self, root: Path) -> "Step | None":
        return DropFolder(self.path) if beneath.make_folder(root, self.path) else None


@dataclass(frozen=True, slots=True)
class DropFolder:
    """Remove a folder if it is empty."""

    path: str

    def apply(self, root: Path) -> "Step | None":
        return MakeFolder(self.path) if beneath.remove_folder(root, self.path) else None


@dataclass(frozen=True, slots=True)
class Move:
    """Give a file, folder or link another path, where nothing may be."""

    old: str
    new: str

    def apply(self, root: Path) -> "Step | None":
        beneath.rename(root, self.old, root, self.new)
        return Move(self.new, self.old)


@dataclass(frozen=True, slots=True)
class SyncFolder:
    """Make the names in a folder durable before the next step."""

    path: str

    def apply(self, root: Path) -> "Step | None":
        beneath.sync_folder(root, self.path)
        return None


Step = MakeFolder | DropFolder | Move | SyncFolder


def carry_out(root: Path, steps: Iterable[Step], before_step: Callable[[Step], None]) -> None:
    """Apply the steps in order; when one fails, undo those before it and raise its error.

    All paths are below `root`. `before_step` may raise, and then its step counts as failed. Raises
    StorageError also when something could not be put back; metadata `left` then has its path.
    """
    undo: list[Step] = []
    try:
        with beneath.keeping_folders():
            for step in steps:
                before_step(step)
                inverse = step.apply(root)
                if inverse is not None:
                    undo.append(inverse)
    except BaseException:
        _undo(root, undo)
        raise


def _undo(root: Path, undo: list[Step]) -> None:
    stuck: list[str] = []
    first_error: StorageError | None = None
    for step in reversed(undo):
        try:
            step.apply(root)
        except StorageError as error:
            first_error = first_error or error
            stuck.append(step.old if isinstance(step, Move) else step.path)
    if stuck:
        message = f"cannot put back {len(stuck)} of the old files, such as {stuck[0]!a}"
        raise StorageError(message, left=stuck[0]) from first_error
