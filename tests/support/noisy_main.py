"""The program `lanspread-peer` that logs a megabyte, on its loop, whenever its status is asked.

It also prints a line, as a library might, past anything of Python.
"""

import os

import structlog

from lanspread_peer.__main__ import main
from lanspread_peer.model.limits import KIB
from lanspread_peer.model.status import SidecarStatus
from lanspread_peer.runtime.sidecar import Sidecar

_quiet_status = Sidecar.status


def _noisy_status(self: Sidecar) -> SidecarStatus:
    for _ in range(KIB):
        structlog.get_logger().debug("x" * KIB)
    os.write(1, b"printed on purpose\n")
    return _quiet_status(self)


if __name__ == "__main__":
    Sidecar.status = _noisy_status  # type: ignore[method-assign]
    main()
