"""A sidecar that kills itself at a step of the publish, as a power cut would."""

import signal
import sys
from pathlib import Path

from lanspread_peer.storage.publish_steps import PublishStep
from support.processes import SidecarProcess, wait_for

_MAIN = Path(__file__).with_name("doomed_main.py")


class DoomedSidecar(SidecarProcess):
    """As its base, until `doom` is called for the next start."""

    _doom: tuple[PublishStep, int] | None = None

    def doom(self, step: PublishStep, nth: int) -> None:
        """From the next start on, it dies just before the nth time that this step is made."""
        self._doom = step, nth

    def spare(self) -> None:
        """From the next start on, it lives."""
        self._doom = None

    def meets_its_doom(self) -> bool:
        """Wait until it died as it had to, or was over with its work without coming to that."""
        wait_for("its doom or its work's end", lambda: self._is_dead() or self.has_no_work(), 60)
        if not self._is_dead():
            return False
        assert self.process.returncode == -signal.SIGKILL, self.log
        return True

    def command(self) -> list[str]:
        program, *words = super().command()
        if self._doom is None:
            return [program, *words]
        step, nth = self._doom
        return [sys.executable, str(_MAIN), step.name, str(nth), *words]

    def _is_dead(self) -> bool:
        return self.process.poll() is not None
