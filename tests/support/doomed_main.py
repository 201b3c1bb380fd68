"""The program `lanspread-peer` that dies at a step: `doomed_main.py STEP NTH serve ...`."""

import os
import signal
import sys
from functools import partial

from lanspread_peer.__main__ import main
from lanspread_peer.runtime import download_run, sidecar
from lanspread_peer.storage.moves import QuickStep
from lanspread_peer.storage.publish import publish
from lanspread_peer.storage.publish_steps import PublishStep
from lanspread_peer.storage.recovery import recover


class Doom:
    """Told each step before it is made; the nth of one kind is not."""

    def __init__(self, step: PublishStep, nth: int) -> None:
        self._step = step
        self._left = nth

    def __call__(self, name: PublishStep, _step: QuickStep | None) -> None:
        if name is self._step:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    doom = Doom(PublishStep[sys.argv[1]], int(sys.argv[2]))
    del sys.argv[1:3]
    # Where the program calls them, as these are its only callers.
    download_run.publish = partial(publish, before_step=doom)  # type: ignore[attr-defined]
    sidecar.recover = partial(recover, before_step=doom)  # type: ignore[attr-defined]
    main()
