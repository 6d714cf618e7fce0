"""Where the watch says what it does: each line with its time, in a file that does not grow for ever."""

from __future__ import annotations

import logging
import sys
from io import StringIO
from logging.handlers import RotatingFileHandler
from pathlib import Path

#: Of a file, and how many full ones are kept.
BYTES, KEPT = 5 << 20, 3


class DatedLines(StringIO):
    """A stream that writes lines with their times; to standard output without a file. A disk that
    is full costs lines and nothing else."""

    def __init__(self, file: Path | None = None) -> None:
        super().__init__()
        self._handler: logging.Handler = logging.StreamHandler(sys.stdout)
        if file is not None:
            self._handler = RotatingFileHandler(file, maxBytes=BYTES, backupCount=KEPT, encoding="utf-8", delay=True)
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        self._handler.handleError = lambda record: None  # type: ignore[method-assign]
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._handler.handle(logging.makeLogRecord({"msg": line}))
        return len(text)

    def close(self) -> None:
        self._handler.close()
        super().close()
