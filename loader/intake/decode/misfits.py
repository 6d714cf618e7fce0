"""Rows set aside while Arrow reads on: a queue that a file of misfits can't grow in memory."""

from __future__ import annotations

import struct
import tempfile
import weakref
from typing import NamedTuple

_IN_MEMORY = 8 << 20
_HEAD = struct.Struct(">qqq")


class Misfit(NamedTuple):
    """A row of another length than its header: its number from 1, its fields, its text."""

    number: int
    fields: int
    text: str


class Misfits:
    """First in, first out; what exceeds some megabytes waits in a temporary file.

    Arrow looks for the first row that fits before it yields anything, so that all rows before
    it arrive at once.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, mode="w+b")  # noqa: SIM115 - see close
        #: Called by itself when nobody has, however the reading ended.
        self.close = weakref.finalize(self, self._file.close)
        self._start = self._end = 0
        self._is_at_end = True
        self.head: Misfit | None = None
        #: The one that came last, also when it has been taken.
        self.last: Misfit | None = None

    def append(self, misfit: Misfit) -> None:
        self.last = misfit
        if self.head is None:
            self.head = misfit
            return
        if not self._is_at_end:
            self._file.seek(self._end)
            self._is_at_end = True
        text = misfit.text.encode("utf-8", "surrogatepass")
        self._end += self._file.write(_HEAD.pack(misfit.number, misfit.fields, len(text)) + text)

    def take(self) -> Misfit:
        """The oldest one; raises ``IndexError`` when there is none."""
        if self.head is None:
            raise IndexError("no misfit is waiting")
        taken, self.head = self.head, self._read()
        return taken

    def _read(self) -> Misfit | None:
        if self._start == self._end:
            self._start = self._end = 0
            self._file.seek(0)
            self._is_at_end = True
            return None
        if self._is_at_end:
            self._file.seek(self._start)
            self._is_at_end = False
        number, fields, length = _HEAD.unpack(self._file.read(_HEAD.size))
        text = self._file.read(length).decode("utf-8", "surrogatepass")
        self._start += _HEAD.size + length
        return Misfit(number, fields, text)
