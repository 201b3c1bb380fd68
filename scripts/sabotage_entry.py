"""What one sabotage is."""

from dataclasses import dataclass

PACKAGE = "sidecar/lanspread_peer"
UNIT = "tests/unit"


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One guard, how to take it out, and who must notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
