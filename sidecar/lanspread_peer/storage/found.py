"""What the scanner finds: games and their files, before anything is hashed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lanspread_peer.model.game import Description, LocalGame, LocalState
from lanspread_peer.model.ids import GameId, GameKey, game_key
from lanspread_peer.model.manifest import Totals, chunk_size_of
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.model.version import Version
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.seal import NO_RECORD, SealLook


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A shared file: `disk_path` as the disk spells it, `path` in NFC, both below the game root.

    In a game with a fault, `path` may break the rules of SafeRelPath.
    """

    disk_path: str
    path: SafeRelPath
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class FoundGame:
    """A game as it lies on the disk; `folder` is the name on disk, `fault` why it is not offered.

    Files and directories are in UTF-8 byte order of their paths. Where a seal holds, there are
    only those of its manifest: nothing else that lies there can change what the game is.
    """

    game_dir: GameDir
    id: GameId
    folder: str
    version: Version
    installed: bool
    description: Description
    files: tuple[FoundFile, ...]
    directories: tuple[SafeRelPath, ...]
    fault: str = ""
    look: SealLook = NO_RECORD
    by_disk_path: Mapping[str, FoundFile] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_disk_path", {f.disk_path: f for f in self.files})

    @property
    def key(self) -> GameKey:
        return game_key(self.id)

    @property
    def totals(self) -> Totals:
        if self.look.seal is not None:
            return self.look.seal.manifest.totals
        sizes = [file.size for file in self.files]
        chunks = sum(-(-size // chunk_size_of(size)) for size in sizes)
        return Totals(sum(sizes), len(sizes), chunks)

    @property
    def local(self) -> LocalGame:
        """The game as it is shown until it is hashed, or for good when it has a fault."""
        state = LocalState.UNSAFE if self.fault else LocalState.INDEXING
        return LocalGame(
            self.id,
            state,
            self.version,
            self.installed,
            totals=self.totals,
            description=self.description,
            fault=self.fault,
            sealed=self.look.seal is not None,
        )
