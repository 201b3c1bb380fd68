"""What a consumer reads the bytes of a data answer from, in the worker thread that has the line."""

from collections.abc import Callable
from time import monotonic

from lanspread_peer.model.errors import IntegrityError

# The loop hears of progress so often, and at the end: each time costs it a wake-up.
_REPORT_INTERVAL_S = 0.05


class DataReader:
    """`length` bytes of an answer, in order; it may not be kept after the consumer returned."""

    def __init__(
        self,
        length: int,
        read_into: Callable[[memoryview], int],
        report: Callable[[int], None],
        is_cut: Callable[[], bool],
    ) -> None:
        self.length = length
        self.left = length
        self._read_into = read_into
        self._report = report
        # Whether the connection is; for a consumer that waits for something else than its bytes.
        self.is_cut = is_cut
        self._unreported = 0
        self._reported_at = monotonic()

    def read_head(self, count: int) -> bytes:
        """So many bytes that are of no chunk, and so are not told of; raises as read_into does."""
        self._require(count)
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
            count = self._read_some(view)
            view = view[count:]
            self._unreported += count
            if self._is_report_due():
                self._report(self._unreported)
                self._unreported = 0
                self._reported_at = monotonic()

    def _require(self, count: int) -> None:
        if count > self.left:
            raise IntegrityError(f"{self.left} bytes are left of the answer, not {count}")

    def _read_some(self, view: memoryview) -> int:
        count = self._read_into(view)
        self.left -= count
        return count

    def _is_report_due(self) -> bool:
        return not self.left or monotonic() - self._reported_at >= _REPORT_INTERVAL_S
