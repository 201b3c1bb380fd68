"""The program `lanspread-peer` whose loop stands still for ever once the games are listed."""

import sys
import threading

from lanspread_peer.__main__ import main
from lanspread_peer.model.game import Title
from lanspread_peer.runtime.sidecar import Sidecar


def _stuck_titles(self: Sidecar) -> list[Title]:
    sys.stderr.write("standing still\n")
    threading.Event().wait()
    raise AssertionError("nobody ever sets it")


if __name__ == "__main__":
    Sidecar.titles = _stuck_titles  # type: ignore[method-assign]
    main()
