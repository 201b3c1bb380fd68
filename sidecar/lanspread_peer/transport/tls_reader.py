"""What a consumer reads the bytes of a data answer from, in the worker thread that has the line."""

from collections.abc import Callable
from time import monotonic
from typing import TypeAlias

from lanspread_peer.model.errors import IntegrityError

# The loop hears of progress so often, and at the end: each time costs it a wake-up.
_REPORT_INTERVAL_S = 0.05


# Reads plain bytes, and tells how many; the function hears of what comes meanwhile.
ReadInto: TypeAlias = Callable[[memoryview, Callable[[int], None]], int]


class DataReader:
    """`length` bytes of an answer, in order; it may not be kept after the consumer returned."""

    def __init__(
        self,
        length: int,
        read_into: ReadInto,
        report: Callable[[int], None],
        is_cut: Callable[[], bool],
    ) -> None:
        self.length = length
        self.left = length
        self._read_into = read_into
        self._report = report
        # Whether the connection is; for a consumer that waits for something else than its bytes.
        self.is_cut = is_cut
        # What is to be told of, and what was; the rest of it may be on its way in a large record.
        self._to_report = length
        self._received = self._reported = 0
        self._reported_at = monotonic()

    def read_head(self, count: int) -> bytes:
        """So many bytes that are of no chunk, and so are not told of; raises as read_into does."""
        self._require(count)
        self._to_report -= count
        head = bytearray(count)
        view = memoryview(head)
        while view:
            view = view[self._read_some(view) :]
        return bytes(head)

    def read_into(self, view: memoryview) -> None:
        """Fill the view whole.

        Raises IntegrityError when the answer has fewer bytes left, ConnectionLost, Stalled when
        none came for STALL_TIMEOUT_S, or MalformedMessage.
        """
        self._require(len(view))
        while view:
            view = view[self._read_some(view) :]
        if not self.left:
            self._tell(self._to_report)
        elif self._is_telling_due():
            # None may be new, where a limit of our own holds us up: then it is a sign of life.
            self._tell(self._received)

    def _require(self, count: int) -> None:
        if count > self.left:
            raise IntegrityError(f"{self.left} bytes are left of the answer, not {count}")

    def _read_some(self, view: memoryview) -> int:
        count = self._read_into(view, self._on_received)
        self.left -= count
        return count

    def _on_received(self, count: int) -> None:
        # As they come over the line, where they are a little more, and some are of what follows.
        self._received = min(self._received + count, self._to_report)
        if self._is_telling_due():
            self._tell(self._received)

    def _is_telling_due(self) -> bool:
        return monotonic() - self._reported_at >= _REPORT_INTERVAL_S

    def _tell(self, received: int) -> None:
        self._report(received - self._reported)
        self._reported = received
        self._reported_at = monotonic()
