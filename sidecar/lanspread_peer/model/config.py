"""Settings: one frozen value, made once from all sources of the configuration.

What can be changed while the sidecar runs is in model/live_settings.py.
"""

from dataclasses import dataclass, field

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.live_settings import ChosenSettings

DEFAULT_PORT = 26789
_NOTHING_CHOSEN = ChosenSettings()


@dataclass(frozen=True, slots=True)
class Settings:
    """How one sidecar runs.

    `bind` empty means all interfaces; `port` None means 26789, else any free one; `listen` empty
    means a Unix socket where there are such, else a loopback port; `party` empty means the folder
    `party` in the state folder, and open mode where there is none; `metrics` empty means none.
    `given` wins over what was chosen while an earlier launch ran, and that over `fallback`. Raises
    InvalidField.
    """

    game_dir: str
    state_dir: str
    bind: str = ""
    port: int | None = None
    listen: str = ""
    peers: tuple[str, ...] = field(default=())
    mdns: bool = True
    party: str = ""
    metrics: str = ""
    given: ChosenSettings = _NOTHING_CHOSEN
    fallback: ChosenSettings = _NOTHING_CHOSEN

    def __post_init__(self) -> None:
        if self.port is not None:
            require_port(self.port)


def require_port(port: int) -> int:
    """The same port; raises InvalidField unless there is such a one. 0 means any."""
    if not 0 <= port <= 65535:
        raise InvalidField("port", "a number from 0 to 65535", str(port))
    return port
