"""The front end that spawned this process with `serve --managed`, over stdin and stdout.

One line comes in, one goes out; after that stdout is the log, for the whole process and whatever
libraries print, so that a front end that reads on never takes anything else for an answer.
"""

import os
from collections.abc import Callable

from lanspread_peer.control.handshake import Handshake, Ready, parse_handshake, ready_line
from lanspread_peer.control.parent_watch import ParentWatch, StdinReader
from lanspread_peer.model.errors import HandshakeRefused
from lanspread_peer.runtime.standard_streams import take_prints


class FrontEnd:
    """Make it with `greet`, once per process and before anything is printed."""

    def __init__(self, handshake: Handshake, watch: ParentWatch, answers: int) -> None:
        self.handshake = handshake
        self._watch = watch
        self._answers = answers

    @classmethod
    def greet(cls) -> "FrontEnd":
        """Take stdin and stdout over, and read the handshake; raises HandshakeRefused.

        Waits for the line, for MANAGED_LINE_TIMEOUT_S at most.
        """
        answers = take_prints()
        stdin = StdinReader()
        handshake = parse_handshake(stdin.line())
        return cls(handshake, ParentWatch(stdin.closed, handshake.parent_pid), answers)

    def watch(self, on_gone: Callable[[], None], on_orphaned: Callable[[], None]) -> None:
        """Call both from another thread once the front end is gone; see ParentWatch."""
        self._watch.start(on_gone, on_orphaned)

    def tell_ready(self, ready: Ready) -> None:
        """Write the one line; raises HandshakeRefused when nobody is there to read it."""
        try:
            with os.fdopen(self._answers, "wb") as file:
                file.write(ready_line(ready))
        except OSError as error:
            raise HandshakeRefused(f"stdout cannot be written: {error.strerror}") from error
