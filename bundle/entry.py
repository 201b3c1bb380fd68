"""Where the bundled program begins: it is the sidecar's command line.

The one-file bundle is two processes. PyInstaller's bootloader, which the front end knows, unpacks
into a temporary folder, runs this one, passes signals on, and removes the folder at the end. One
that is killed does neither: then this process ends as on SIGTERM, and removes the folder itself.
"""

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import psutil

from lanspread_peer.__main__ import main

# PyInstaller's name for the folder with what was unpacked.
_UNPACKED = Path(getattr(sys, "_MEIPASS"))  # noqa: B009 - no type stub knows it

_POLL_S = 0.25


def run() -> None:
    """Run the command line, as one process or as the inner one of two."""
    if _UNPACKED.parent == Path(sys.executable).parent:
        main()
        return
    bootloader_gone = threading.Event()
    threading.Thread(target=_end_with_bootloader, args=(bootloader_gone,), daemon=True).start()
    try:
        main()
    finally:
        if bootloader_gone.is_set():
            # What Windows still holds open stays there.
            shutil.rmtree(_UNPACKED, ignore_errors=True)


def _end_with_bootloader(gone: threading.Event) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        bootloader = psutil.Process(os.getppid())
        # One that its front end killed and did not wait for is a zombie, perhaps for long.
        while bootloader.is_running() and bootloader.status() != psutil.STATUS_ZOMBIE:
            time.sleep(_POLL_S)
    gone.set()
    os.kill(os.getpid(), signal.SIGTERM)


run()
