"""A set of row numbers, a bit each: what may be as large as a load and has to stay small in memory."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


class RowSet:
    """Row numbers from 0. Also a file: COPY may write into it, a number a line."""

    def __init__(self) -> None:
        self._bits = bytearray(1)
        self._begun = b""
        self.count = 0

    def __contains__(self, row: int) -> bool:
        return row >> 3 < len(self._bits) and bool(self._bits[row >> 3] & 1 << (row & 7))

    def add(self, row: int) -> None:
        if row not in self:
            self._reach(row)
            self._bits[row >> 3] |= 1 << (row & 7)
            self.count += 1

    def write(self, piece: bytes) -> int:
        """Add the numbers that the lines are; a line may come in two pieces."""
        lines = (self._begun + piece).split(b"\n")
        self._begun = lines.pop()
        for line in lines:
            self.add(int(line))
        return len(piece)

    def among(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Those of the rows whose number, in the column ``_row``, is in the set."""
        numbers = rows.column("_row")
        if not rows.num_rows:
            return rows
        self._reach(pc.max(numbers).as_py())
        bits = pa.BooleanArray.from_buffers(pa.bool_(), len(self._bits) * 8, [None, pa.py_buffer(self._bits)])
        return rows.filter(bits.take(numbers))

    def _reach(self, row: int) -> None:
        lacking = (row >> 3) + 1 - len(self._bits)
        if lacking > 0:
            self._bits = self._bits + bytes(max(lacking, len(self._bits)))
