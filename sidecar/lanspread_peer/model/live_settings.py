"""Live settings: what a front end may change while the sidecar runs, and what is kept of it.

Fields have the names that they have in the control API. A value of None was not chosen: then the
default is in effect, which for a rate limit means that there is none. Zero never means unlimited.
"""

from dataclasses import dataclass, fields, replace

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import (
    MAX_NAME_BYTES,
    MAX_PATIENCE_S,
    MAX_RATE_LIMIT_BYTES_PER_SECOND,
    MAX_UPLOAD_SLOTS,
    MAX_UPLOADS,
    MIN_RATE_LIMIT_BYTES_PER_SECOND,
)

DEFAULT_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What is in effect; a rate limit of None is none."""

    upload_bytes_per_second: int | None
    download_bytes_per_second: int | None
    upload_slots: int
    patience_seconds: float
    name: str


@dataclass(frozen=True, slots=True)
class ChosenSettings:
    """What somebody chose, each value within its limits. Raises InvalidField."""

    upload_bytes_per_second: int | None = None
    download_bytes_per_second: int | None = None
    upload_slots: int | None = None
    patience_seconds: float | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        for field in ("upload_bytes_per_second", "download_bytes_per_second"):
            _require_rate(field, getattr(self, field))
        if self.upload_slots is not None and not 1 <= self.upload_slots <= MAX_UPLOAD_SLOTS:
            expected = f"a number from 1 to {MAX_UPLOAD_SLOTS}"
            raise InvalidField("upload_slots", expected, str(self.upload_slots))
        if self.patience_seconds is not None:
            require_patience("patience_seconds", self.patience_seconds)
        if self.name is not None:
            require_name(self.name)

    def changed(self, to: "ChosenSettings", names: frozenset[str]) -> "ChosenSettings":
        """The same but for the fields with these names, which are as in `to`."""
        return replace(self, **{name: getattr(to, name) for name in names})

    def over(self, below: "ChosenSettings") -> "ChosenSettings":
        """What is chosen here, and what is chosen below where nothing is."""
        names = (name for name in SETTING_NAMES if getattr(self, name) is not None)
        return below.changed(self, frozenset(names))

    def in_effect(self, default_name: str) -> LiveSettings:
        """With the defaults for what was not chosen."""
        return LiveSettings(
            self.upload_bytes_per_second,
            self.download_bytes_per_second,
            MAX_UPLOADS if self.upload_slots is None else self.upload_slots,
            DEFAULT_PATIENCE_S if self.patience_seconds is None else self.patience_seconds,
            default_name if self.name is None else self.name,
        )


SETTING_NAMES = tuple(field.name for field in fields(ChosenSettings))


def require_name(name: str) -> None:
    """Raises InvalidField unless it may be shown to others."""
    if not name.isprintable():
        raise InvalidField("name", "printable characters", ascii(name[:80]))
    if not name.strip() or len(name.encode("utf-8")) > MAX_NAME_BYTES:
        raise InvalidField("name", f"1 to {MAX_NAME_BYTES} bytes", name[:80])


def require_patience(field: str, seconds: float) -> None:
    """Raises InvalidField unless somebody may wait so long."""
    if not 0 < seconds <= MAX_PATIENCE_S:
        raise InvalidField(field, f"more than 0 and at most {MAX_PATIENCE_S:.0f}", str(seconds))


def _require_rate(field: str, rate: int | None) -> None:
    if rate is None:
        return
    if not MIN_RATE_LIMIT_BYTES_PER_SECOND <= rate <= MAX_RATE_LIMIT_BYTES_PER_SECOND:
        expected = (
            f"{MIN_RATE_LIMIT_BYTES_PER_SECOND} to {MAX_RATE_LIMIT_BYTES_PER_SECOND} bytes per "
            "second, or nothing for no limit"
        )
        raise InvalidField(field, expected, str(rate))
