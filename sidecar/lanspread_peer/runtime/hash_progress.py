"""How far the hashing of one scan is, for those who wait for it."""

from lanspread_peer.model.events import ScanProgressed
from lanspread_peer.model.ids import GameId, GameKey
from lanspread_peer.runtime.clock import monotonic_s


class HashProgress:
    """Counts one scan, game by game; `add` is called from the hashing thread."""

    def __init__(self) -> None:
        self.done_bytes = 0
        self.key: GameKey | None = None
        self._waiting_bytes = 0
        self._game_bytes = 0
        self._game_start = 0
        self._started_at = monotonic_s()

    def begin(self, key: GameKey, game_bytes: int, *, waiting_bytes: int) -> None:
        """A game begins; `waiting_bytes` are those of the games after it."""
        self.key = key
        self._game_bytes, self._game_start = game_bytes, self.done_bytes
        self._waiting_bytes = waiting_bytes

    def add(self, count: int) -> None:
        """So many more bytes are hashed."""
        self.done_bytes += count

    @property
    def per_mille(self) -> int:
        """How far the game that began last is, 0 to 1000."""
        done = self.done_bytes - self._game_start
        return min(1000, done * 1000 // self._game_bytes) if self._game_bytes else 0

    def event(self, game_id: GameId) -> ScanProgressed:
        """What a front end is told."""
        total = self._game_start + self._game_bytes + self._waiting_bytes
        elapsed = monotonic_s() - self._started_at
        left = max(0, total - self.done_bytes)
        eta = left * elapsed / self.done_bytes if self.done_bytes else None
        return ScanProgressed(game_id, self.done_bytes, total, eta)
