"""Games: what one peer holds, what the network holds, and how both read as one title."""

from dataclasses import dataclass, field
from enum import Enum

from lanspread_peer.model.ids import ContentId, GameId, GameKey, PeerId, game_key
from lanspread_peer.model.manifest import Totals
from lanspread_peer.model.version import Version


@dataclass(frozen=True, slots=True)
class Description:
    """What `game.json` tells a front end; empty or zero where it says nothing."""

    name: str = ""
    description: str = ""
    publisher: str = ""
    release_year: int = 0
    genre: str = ""
    max_players: int = 0


@dataclass(frozen=True, slots=True)
class GameSummary:
    """One line of a library: a game as one peer offers it."""

    id: GameId
    version: Version
    content_id: ContentId
    bytes: int
    files: int
    name: str = ""

    @property
    def key(self) -> GameKey:
        return game_key(self.id)


class LocalState(Enum):
    """What the game folder holds of a title."""

    ABSENT = "absent"
    INDEXING = "indexing"
    DOWNLOADED = "downloaded"
    UNSAFE = "unsafe"


@dataclass(frozen=True, slots=True)
class LocalGame:
    """A game in the game folder; `content_id` is None until it is hashed.

    `fault` says, for UNSAFE, why it is not offered. A sealed game keeps the content id it was
    downloaded as; what is missing are the files of that content that are not here, or not as they
    were, and so are not offered.
    """

    id: GameId
    state: LocalState
    version: Version
    installed: bool
    content_id: ContentId | None = None
    totals: Totals = field(default_factory=lambda: Totals(0, 0, 0))
    description: Description = Description()
    fault: str = ""
    sealed: bool = False
    missing_files: int = 0
    missing_bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every file of its content is here; else the same content may be downloaded."""
        return self.missing_files == 0

    @property
    def key(self) -> GameKey:
        return game_key(self.id)

    @property
    def summary(self) -> GameSummary | None:
        """The line of the library it makes, or None while it is not offered."""
        if self.state is not LocalState.DOWNLOADED or self.content_id is None:
            return None
        return GameSummary(
            self.id,
            self.version,
            self.content_id,
            self.totals.bytes,
            self.totals.files,
            self.description.name,
        )


@dataclass(frozen=True, slots=True)
class Variant:
    """One content id of a game that peers on the network hold.

    `doubt` says why it is never chosen by itself; empty when it may be.
    """

    content_id: ContentId
    version: Version
    bytes: int
    files: int
    sources: tuple[PeerId, ...]
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Title:
    """A game as the front end shows it: the local copy and the variants of the peers, merged."""

    id: GameId
    name: str
    local: LocalGame | None
    variants: tuple[Variant, ...]

    @property
    def key(self) -> GameKey:
        return game_key(self.id)

    @property
    def peer_count(self) -> int:
        """How many connected peers hold any variant."""
        return len({peer for variant in self.variants for peer in variant.sources})

    @property
    def latest(self) -> Variant | None:
        """The variant that a download takes by itself: the first, unless it is doubtful."""
        return self.variants[0] if self.variants and not self.variants[0].doubt else None
