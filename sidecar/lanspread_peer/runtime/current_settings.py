"""The current settings: what is in effect, and on the disk what was chosen.

What was given at the start wins over what an earlier launch was told, for this launch and until it
is changed; what stands in the environment or a file is behind both. Neither is written down. A
change is whole: checked, then written, then in effect.
"""

import asyncio
import getpass
import platform
from collections.abc import Callable
from pathlib import Path

from lanspread_peer.model.config import Settings
from lanspread_peer.model.events import Event, SettingsChanged, Warned
from lanspread_peer.model.limits import MAX_NAME_BYTES
from lanspread_peer.model.live_settings import ChosenSettings, LiveSettings
from lanspread_peer.runtime.tasks import run_to_end
from lanspread_peer.storage.settings_file import DAMAGED_FILE, read_settings, write_settings


class CurrentSettings:
    """The live settings of one sidecar. Make it with `load`."""

    def __init__(
        self,
        state_dir: Path,
        stored: ChosenSettings,
        settings: Settings,
        emit: Callable[[Event], None],
    ) -> None:
        self._state_dir = state_dir
        self._stored = stored
        self._given = settings.given
        self._fallback = settings.fallback
        self._emit = emit
        self._default_name = default_name()
        self._apply: Callable[[LiveSettings], None] = lambda _: None
        self._changing = asyncio.Lock()

    @classmethod
    async def load(
        cls, state_dir: Path, settings: Settings, emit: Callable[[Event], None]
    ) -> "CurrentSettings":
        """Those of the last launch, among what is configured for this one; raises StorageError."""
        stored = await asyncio.to_thread(read_settings, state_dir)
        if stored is None:
            told = f"the settings could not be read; they are in {DAMAGED_FILE} now"
            emit(Warned("SETTINGS_DAMAGED", told))
        return cls(state_dir, stored or ChosenSettings(), settings, emit)

    @property
    def value(self) -> LiveSettings:
        """What is in effect."""
        chosen = self._given.over(self._stored).over(self._fallback)
        return chosen.in_effect(self._default_name)

    def apply_with(self, apply: Callable[[LiveSettings], None]) -> None:
        """Call `apply` with the settings now, and with those of each change."""
        self._apply = apply
        apply(self.value)

    async def change(self, to: ChosenSettings, names: frozenset[str]) -> LiveSettings:
        """Take the fields with these names from `to`, and tell what is in effect then.

        Raises StorageError, and then nothing changed.
        """
        return await run_to_end(self._change(to, names))

    async def _change(self, to: ChosenSettings, names: frozenset[str]) -> LiveSettings:
        async with self._changing:
            before = self.value
            stored = self._stored.changed(to, names)
            if stored != self._stored:
                await asyncio.to_thread(write_settings, self._state_dir, stored)
            self._stored = stored
            self._given = self._given.changed(ChosenSettings(), names)
            if self.value != before:
                self._apply(self.value)
                self._emit(SettingsChanged(self.value))
            return self.value


def default_name() -> str:
    """USER@HOST, as far as a name may hold it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # As in a container that runs under a number.
        user = "player"
    name = f"{user}@{platform.node()}".encode("ascii", "replace")[:MAX_NAME_BYTES]
    return name.decode("ascii")
