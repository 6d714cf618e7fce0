"""What every decoder yields: batches of text, and the rows that no batch could hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

#: A batch ends at so many rows, or so many characters of text.
_ROWS = 10_000
_TEXT = 8 << 20
#: Of so many rows Arrow costs more than all that is done with them.
FEW = 50
#: What stands for a NUL where it is shown: Postgres can't keep one.
SHOWN_NUL = "\N{SYMBOL FOR NULL}"


class ReadFailure(Exception):
    """The body as a whole can't be read; says where and what to do."""


@dataclass(frozen=True)
class Unreadable:
    """A row that can't be put into columns, kept as it came."""

    row: int
    rule: str
    message: str
    payload: dict[str, Any]
    column: str | None = None


class Batch:
    """Rows as text, and beside them the ``unreadable`` ones.

    A row has ``_row`` (int64, position in the load from 1) and text for each of the decoder's
    ``columns``; NULL is an absent value. They come as Arrow has them or, of a few, as dicts
    of the same columns in the same order, and Arrow is made when it is asked for.
    """

    def __init__(self, rows: pa.RecordBatch | list[dict[str, Any]], unreadable: Sequence[Unreadable] = ()) -> None:
        self._given = rows
        self.unreadable = unreadable

    @cached_property
    def rows(self) -> pa.RecordBatch:
        """The rows as Arrow."""
        if isinstance(self._given, pa.RecordBatch):
            return self._given
        types = {name: pa.int64() if name == "_row" else pa.string() for name in self._given[0]}
        return pa.RecordBatch.from_pylist(self._given, schema=pa.schema(types))

    @cached_property
    def dicts(self) -> list[dict[str, Any]]:
        """The rows in Python: for those who know that they are few."""
        return self._given.to_pylist() if isinstance(self._given, pa.RecordBatch) else self._given

    @property
    def received(self) -> int:
        """How many rows came, readable or not."""
        return len(self._given) + len(self.unreadable)

    @property
    def size(self) -> int:
        """About how many bytes of text all of them hold."""
        lines = sum([len(row.payload.get("_line") or "") for row in self.unreadable])
        if isinstance(self._given, pa.RecordBatch):
            return int(self._given.nbytes) + lines
        return sum([len(value) for row in self._given for value in row.values() if isinstance(value, str)]) + lines


class Decoder(Protocol):
    """``columns``: the table's columns that the body supplies, in the body's order.

    ``found``: what the body turned out to be, as a receipt shows it; complete when all batches
    have been taken. ``None`` where there is no body.
    """

    columns: tuple[str, ...]

    @property
    def found(self) -> dict[str, Any] | None: ...

    def __iter__(self) -> Iterator[Batch]: ...


def make_batch(numbers: pa.Array, columns: dict[str, pa.Array], unreadable: list[Unreadable]) -> Batch:
    """A batch of string columns, with rows that hold a NUL taken out (Postgres can't keep one)."""
    names = list(columns)
    rows = pa.RecordBatch.from_arrays([numbers, *columns.values()], ["_row", *names])
    poisoned: pa.Array | None = None
    for name in filter(lambda name: _may_hold_nul(columns[name]), names):
        found = pc.fill_null(pc.match_substring(columns[name], "\0"), False)
        if pc.any(found).as_py():
            poisoned = found if poisoned is None else pc.or_(poisoned, found)
    if poisoned is None:
        return Batch(rows, unreadable)
    for row in rows.filter(poisoned).to_pylist():
        number = row.pop("_row")
        column = next(name for name, value in row.items() if value and "\0" in value)
        payload = {k: v and storable(v) for k, v in row.items()}
        unreadable.append(Unreadable(number, "unreadable", "holds a NUL character", payload, column))
    return Batch(rows.filter(pc.invert(poisoned)), unreadable)


def _may_hold_nul(column: pa.Array) -> bool:
    """Whether a column of text holds a NUL, or something beside it in memory does."""
    text = column.buffers()[2]
    return text is not None and b"\0" in text.to_pybytes()


class Piece:
    """The rows of one batch while they come, each as text in the columns' order."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns: dict[str, list[str | None]] = {name: [] for name in columns}
        self._numbers: list[int] = []
        self._unreadable: list[Unreadable] = []
        self._size = 0
        self.count = 0

    def add(self, number: int, row: Sequence[str | None] | Unreadable) -> None:
        """The row of that number, from 1."""
        self.count += 1
        if isinstance(row, Unreadable):
            self._unreadable.append(row)
            self._size += sum([len(value) for value in row.payload.values() if value])
            return
        self._numbers.append(number)
        self._size += sum([len(value) for value in row if value])
        for values, value in zip(self._columns.values(), row, strict=True):
            values.append(value)

    @property
    def is_full(self) -> bool:
        return self.count >= _ROWS or self._size >= _TEXT

    def batch(self) -> Batch:
        if 0 < len(self._numbers) <= FEW:
            rows = [
                dict(zip(("_row", *self._columns), row, strict=True))
                for row in zip(self._numbers, *self._columns.values(), strict=True)
            ]
            if not any(value and "\0" in value for values in self._columns.values() for value in values):
                return Batch(rows, self._unreadable)
        arrays = {name: pa.array(values, pa.string()) for name, values in self._columns.items()}
        return make_batch(pa.array(self._numbers, pa.int64()), arrays, self._unreadable)


def is_unicode(text: str) -> bool:
    """Whether it holds no half of a surrogate pair."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def storable(text: str) -> str:
    """``text`` as jsonb can keep it: what it can't is shown, not dropped."""
    text = text.replace("\0", SHOWN_NUL)
    return text if is_unicode(text) else text.encode("utf-8", "backslashreplace").decode("utf-8")
