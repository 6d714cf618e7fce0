"""What every decoder yields: batches of text, and the rows that no batch could hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from loader.contract.model import Table


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


@dataclass
class Batch:
    """Rows as text.

    ``rows`` has ``_row`` (int64, position in the load from 1) and one string column for each
    of the decoder's ``columns``; NULL is an absent value. ``unreadable`` are beside them.
    """

    rows: pa.RecordBatch
    unreadable: list[Unreadable] = field(default_factory=list)


class Decoder(Protocol):
    """``columns``: the table's columns that the body supplies, in the body's order."""

    columns: tuple[str, ...]

    def __iter__(self) -> Iterator[Batch]: ...


def check_columns(table: Table, names: list[str]) -> tuple[str, ...]:
    """The body's column names, if the table can take them; raises :class:`ReadFailure`."""
    known = set(table.column_names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ReadFailure(f"the column {twice[0]!r} stands there twice; keep one of the two")
    unknown = [name for name in names if name not in known]
    if unknown:
        listed = ", ".join(repr(name[:80]) for name in unknown[:5])
        raise ReadFailure(f"{table.id} has no column {listed}; its columns are: {', '.join(table.column_names)}")
    missing = [c.name for c in table.columns if c.required and c.name not in names]
    if missing:
        raise ReadFailure(f"the column {missing[0]!r} is missing, and may not be empty")
    return tuple(names)


def make_batch(numbers: pa.Array, columns: dict[str, pa.Array], unreadable: list[Unreadable]) -> Batch:
    """A batch of string columns, with rows that hold a NUL taken out (Postgres can't keep one)."""
    names = list(columns)
    rows = pa.RecordBatch.from_arrays([numbers, *columns.values()], ["_row", *names])
    poisoned: pa.Array | None = None
    for name in names:
        found = pc.fill_null(pc.match_substring(columns[name], "\0"), False)
        if pc.any(found).as_py():
            poisoned = found if poisoned is None else pc.or_(poisoned, found)
    if poisoned is None:
        return Batch(rows, unreadable)
    for row in rows.filter(poisoned).to_pylist():
        number = row.pop("_row")
        column = next(name for name, value in row.items() if value and "\0" in value)
        payload = {k: v.replace("\0", "\N{SYMBOL FOR NULL}") if v else v for k, v in row.items()}
        unreadable.append(Unreadable(number, "unreadable", "holds a NUL character", payload, column))
    return Batch(rows.filter(pc.invert(poisoned)), unreadable)
