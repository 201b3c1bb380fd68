"""Settings: one frozen value, made once from flags and the config file.

What can be changed while the sidecar runs is in model/live_settings.py.
"""

from dataclasses import dataclass, field

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.live_settings import require_name, require_patience

DEFAULT_PORT = 26789


@dataclass(frozen=True, slots=True)
class Settings:
    """How one sidecar runs.

    `bind` empty means all interfaces; `port` None means 26789, else any free one; `listen` empty
    means a Unix socket where there are such, else a loopback port; `name` and `patience_s` None
    mean what was set before, and else win over it. Raises InvalidField.
    """

    game_dir: str
    state_dir: str
    name: str | None = None
    bind: str = ""
    port: int | None = None
    listen: str = ""
    peers: tuple[str, ...] = field(default=())
    mdns: bool = True
    patience_s: float | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            require_name(self.name)
        if self.port is not None and not 0 <= self.port <= 65535:
            raise InvalidField("port", "a number from 0 to 65535", str(self.port))
        if self.patience_s is not None:
            require_patience("patience_s", self.patience_s)
