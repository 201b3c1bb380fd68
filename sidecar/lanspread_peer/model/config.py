"""Settings: one frozen value, made once from flags and the config file."""

from dataclasses import dataclass, field

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import MAX_NAME_BYTES

DEFAULT_PORT = 26789
DEFAULT_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How one sidecar runs.

    `bind` empty means all interfaces; `port` None means 26789, else any free one; `listen` empty
    means a Unix socket where there are such, else a loopback port. Raises InvalidField.
    """

    game_dir: str
    state_dir: str
    name: str
    bind: str = ""
    port: int | None = None
    listen: str = ""
    peers: tuple[str, ...] = field(default=())
    mdns: bool = True
    patience_s: float = DEFAULT_PATIENCE_S

    def __post_init__(self) -> None:
        if not self.name.isprintable():
            raise InvalidField("name", "printable characters", ascii(self.name[:80]))
        if not self.name.strip() or len(self.name.encode("utf-8")) > MAX_NAME_BYTES:
            raise InvalidField("name", f"1 to {MAX_NAME_BYTES} bytes", self.name[:80])
        if self.port is not None and not 0 <= self.port <= 65535:
            raise InvalidField("port", "a number from 0 to 65535", str(self.port))
        if not 0 < self.patience_s <= 86_400:
            raise InvalidField("patience_s", "more than 0 and at most 86400", str(self.patience_s))
