"""Reversible steps on disk: a list of them is carried out wholly or not at all.

Each step is a value that can be written down, and applying it gives the steps that undo it, to be
taken in reverse. No step deletes a byte, so whatever happens between two of them, nothing is lost.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lanspread_peer.model.errors import StorageError
from lanspread_peer.storage import beneath


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Make a folder, unless there is one."""

    path: str

    def apply(self, root: Path) -> "list[Step]":
        return [DropFolder(self.path)] if beneath.make_folder(root, self.path) else []


@dataclass(frozen=True, slots=True)
class DropFolder:
    """Remove a folder if it is empty."""

    path: str

    def apply(self, root: Path) -> "list[Step]":
        return [MakeFolder(self.path)] if beneath.remove_folder(root, self.path) else []


@dataclass(frozen=True, slots=True)
class Move:
    """Give a file, folder or link another path, where nothing may be."""

    old: str
    new: str

    def apply(self, root: Path) -> "list[Step]":
        beneath.rename(root, self.old, root, self.new)
        return [self.undone()]

    def undone(self) -> "Move":
        """The way back."""
        return Move(self.new, self.old)


@dataclass(frozen=True, slots=True)
class SyncFolder:
    """Make the names in a folder durable before the next step."""

    path: str

    def apply(self, root: Path) -> "list[Step]":
        beneath.sync_folder(root, self.path)
        return []


@dataclass(frozen=True, slots=True)
class MoveFolder:
    """Give a folder, with exactly what `parts` move out of it, a path where nothing may be.

    `parts` do the same one by one: they make the folders and move what is in them.
    """

    old: str
    new: str
    parts: "tuple[MakeFolder | Move | SyncFolder, ...]"

    def apply(self, root: Path) -> "list[Step]":
        beneath.rename(root, self.old, root, self.new)
        # One by one, as a person may put something there meanwhile, and that is to stay.
        back: list[Step] = []
        emptied: list[Step] = []
        for part in self.parts:
            match part:
                case MakeFolder(path):
                    back.append(DropFolder(path))
                    emptied.append(MakeFolder(self.old + path.removeprefix(self.new)))
                case Move():
                    back.append(part.undone())
                case SyncFolder():
                    continue
        return back + emptied[::-1]


Step = MakeFolder | DropFolder | Move | SyncFolder
QuickStep = Step | MoveFolder


def single_steps(steps: Iterable[QuickStep]) -> Iterator[Step]:
    """The same with each folder's parts instead of the folder."""
    for step in steps:
        if isinstance(step, MoveFolder):
            yield from step.parts
        else:
            yield step


def carry_out(
    root: Path, steps: Iterable[QuickStep], before_step: Callable[[QuickStep], None]
) -> None:
    """Apply the steps in order; when one fails, undo those before it and raise its error.

    A folder that the system refuses to move, as Windows does while a file in it is open, is moved
    by its parts. All paths are below `root`. `before_step` may raise, and then its step counts as
    failed. Raises StorageError also when something could not be put back; metadata `left` then has
    its path.
    """
    undo: list[Step] = []
    try:
        with beneath.keeping_folders():
            for step in steps:
                before_step(step)
                _apply(root, step, undo)
    except BaseException:
        _undo(root, undo)
        raise


def _apply(root: Path, step: QuickStep, undo: list[Step]) -> None:
    try:
        undo += step.apply(root)
    except StorageError:
        if not isinstance(step, MoveFolder):
            raise
        for part in step.parts:
            undo += part.apply(root)


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
