"""The standard descriptors of this process, so that nothing that is printed ever waits or strays.

Stderr is a LogWriter for all of Python. For a front end that may stop reading it, what libraries
print past Python goes to a pipe of ours that is always read, and from there to the same log. Only a
crash of the interpreter itself goes straight to the stderr that we were given.
"""

import atexit
import faulthandler
import os
import sys
import threading
from functools import partial

from lanspread_peer.model.limits import KIB, LOG_FLUSH_TIMEOUT_S
from lanspread_peer.runtime.log_writer import LogWriter

_STDOUT, _STDERR = 1, 2
_READ_BYTES = 64 * KIB


def take_stderr() -> None:
    """Put a LogWriter in the place of `sys.stderr`, to the end of the process."""
    _occupy_standard_descriptors()
    given = os.dup(_STDERR)
    faulthandler.enable(given)
    log = LogWriter(partial(os.write, given))
    # After whatever the interpreter says of an exception.
    atexit.register(log.end)
    sys.stderr = log


def take_prints() -> int:
    """What stdout was, as a descriptor of our own; what is printed goes to the log from now on.

    Comes after `take_stderr`.
    """
    log = sys.stderr
    assert isinstance(log, LogWriter)
    stdout, stderr = os.dup(_STDOUT), os.dup(_STDERR)
    printed, end = os.pipe()
    os.dup2(end, _STDOUT)
    os.dup2(end, _STDERR)
    os.close(end)
    reading = threading.Thread(target=_read, args=(printed, log), name="printed", daemon=True)
    reading.start()

    def give_back() -> None:
        # The pipe ends by that, unless a process that we started still has it.
        os.dup2(stderr, _STDOUT)
        os.dup2(stderr, _STDERR)
        reading.join(LOG_FLUSH_TIMEOUT_S)

    atexit.register(give_back)
    return stdout


def _read(printed: int, log: LogWriter) -> None:
    while data := os.read(printed, _READ_BYTES):
        log.write_bytes(data)


def _occupy_standard_descriptors() -> None:
    # A file or socket that got one of these numbers would take what libraries print.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)
