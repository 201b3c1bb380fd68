"""The log file: of bounded size, the older ones beside it under names that end in a number.

Writing blocks, so a LogWriter's thread does it. What the disk refuses is lost: there is no better
place to say so than this one.
"""

import logging
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import MAX_LOG_FILE_BYTES, MAX_OLD_LOG_FILES


class LogFile:
    """Appends whole lines until `close`. Raises InvalidField when the file cannot be opened."""

    def __init__(self, path: Path) -> None:
        if path.is_fifo():
            # Opening it would wait for whoever reads it.
            raise InvalidField("log_file", "a file, not a pipe", str(path))
        try:
            self._file = _Rotating(
                path,
                maxBytes=MAX_LOG_FILE_BYTES,
                backupCount=MAX_OLD_LOG_FILES,
                encoding="utf-8",
                errors="backslashreplace",
            )
        except OSError as error:
            raise InvalidField(
                "log_file", "a file that can be written", f"{path}: {error.strerror}"
            ) from error

    def write(self, data: bytes | memoryview) -> int:
        """Append lines, each of which ends with a newline; how many bytes were taken: all."""
        for line in bytes(data).decode("utf-8").splitlines():
            self._file.emit(logging.makeLogRecord({"msg": line}))
        return len(data)

    def close(self) -> None:
        """Nothing more is written."""
        self._file.close()

    def abandon(self) -> None:
        """In place of `close` when another thread's write hangs: never waits for it."""
        # The standard library closes its handlers at the end, and would wait for that write.
        self._file.createLock()
        self._file.stream = None


class _Rotating(RotatingFileHandler):
    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """The line is lost; the next one tries the file again."""

    def close(self) -> None:
        # What a full disk did not take is in the stream's buffer still, and would be tried again.
        with suppress(OSError):
            super().close()
