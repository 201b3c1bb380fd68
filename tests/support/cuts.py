"""Publishes and recoveries that are cut at any step, as by a kill: by copies of what was there."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.moves import QuickStep
from lanspread_peer.storage.publish_steps import PublishStep
from lanspread_peer.storage.recovery import Recovered, recover
from support.player import files_in


@dataclass
class Cuts:
    """A `before_step` that copies a game folder before each step, times and all."""

    root: Path
    copies: Path
    wanted: Callable[[int], bool] = lambda _: True
    names: list[PublishStep] = field(default_factory=list)
    taken: dict[int, Path] = field(default_factory=dict)

    def __call__(self, name: PublishStep, _step: QuickStep | None) -> None:
        number = len(self.names)
        self.names.append(name)
        if self.wanted(number):
            self.taken[number] = copy_tree(self.root, self.copies / str(number))


def copy_tree(source: Path, target: Path) -> Path:
    """A copy with the same times, links as links."""
    shutil.copytree(source, target, symlinks=True)
    return target


def recover_at(root: Path, index: Index) -> list[Recovered]:
    """As a start does it."""
    return recover(GameDir.open(str(root)), index)


def left_in_own(root: Path) -> set[str]:
    """What lies in the sidecar's own folder that is neither a record nor a person's."""
    return {
        path
        for path in files_in(root / ".lanspread")
        if not path.startswith(("records/", "conflicts/"))
    }


def persons_files(root: Path, contents: Mapping[str, bytes]) -> set[str]:
    """The names of those contents that are nowhere in a game folder any more."""
    there = set(files_in(root).values())
    return {name for name, content in contents.items() if content not in there}
