"""What the command line chose, for every row."""

from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
KIB = 2**10


@dataclass(frozen=True, slots=True)
class Options:
    """`folder` is an empty one on tmpfs; a quick run measures less, to see that all of it works."""

    folder: Path
    quick: bool = False
    size_mib: int | None = None
    rounds: int | None = None

    def size_bytes(self, full_mib: int, quick_mib: int) -> int:
        """The size of the game: as asked for, else by how long the run may take."""
        return (self.size_mib or (quick_mib if self.quick else full_mib)) * MIB

    def repeats(self, full: int, quick: int = 2) -> int:
        """How often each is measured."""
        return self.rounds or (quick if self.quick else full)
