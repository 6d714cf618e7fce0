"""A sheet of refused rows, mended elsewhere: what each of its rows changes, or why it can't.

``COLUMNS`` stand around the table's own: which row of the ledger it is and how often that had been
mended when the sheet was made, why it was refused, and what came under names that the table does not
have. An empty cell is an empty value; a cell that says :data:`KEPT` leaves what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy import Connection

from loader.contract.model import Column, Table
from loader.contract.types import parse_type
from loader.intake.decode import NOTHING_SAID, Said, open_body
from loader.intake.mend import Mend
from loader.ledger.dismissals import OPEN
from loader.ledger.models import Reject

NUMBER, SEEN, WHY, OTHER = COLUMNS = ("_reject_id", "_mended", "_why", "_other")
KEPT = "••••"
#: Rows of a sheet, and of what is asked of the ledger at once.
MOST = 100_000
_AT_ONCE = 5_000


@dataclass
class Mended:
    """What a sheet comes to. ``faults`` are (row of the sheet from 1, sentence), the first of ``wrong``."""

    mends: list[Mend] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)
    wrong: int = 0
    unchanged: int = 0

    def refuse(self, place: int, why: str) -> None:
        """One row that can't be taken as it is."""
        self.wrong += 1
        if len(self.faults) < 20:
            self.faults.append((place, why))


def sheet_table(table: Table) -> Table:
    """The table as a sheet has it: all text, and beside its own columns those of the sheet."""
    text = parse_type("text")

    def made(name: str, pii: str | None = None) -> Column:
        return Column(name, text, name == NUMBER, name, "", pii=pii)

    own = (made(column.name, column.pii) for column in table.columns)
    return replace(
        table, columns=(made(NUMBER), made(SEEN), made(WHY), *own, made(OTHER)), primary_key=(NUMBER,), valid_from=None,
        row_rules=(), unique_rules=(), relationships=(), unchecked=(),
    )  # fmt: skip


def read_sheet(connection: Connection, table: Table, body: BinaryIO, format_: str, said: Said = NOTHING_SAID) -> Mended:
    """What the sheet changes in the table's kept rows; nothing is changed yet.

    Raises :class:`~loader.intake.decode.ReadFailure`.
    """
    found, seen = Mended(), set[int]()
    for piece in _pieces(body, table, format_, said, found):
        kept = _kept(connection, table, [number for _, number, _ in piece])
        for place, number, row in piece:
            if number in seen:
                found.refuse(place, f"row {number} stands in the sheet twice")
            elif number not in kept:
                found.refuse(place, f"there is no kept row {number} in {table.id}")
            else:
                _compare(table, found, place, row, kept[number])
            seen.add(number)
    return found


Row = dict[str, Any]


def _pieces(
    body: BinaryIO, table: Table, format_: str, said: Said, found: Mended
) -> Iterator[list[tuple[int, int, Row]]]:
    """The rows that say which they are, (place, number, row), some thousands at a time."""
    piece: list[tuple[int, int, Row]] = []
    for batch in open_body(body, sheet_table(table), format_, said):
        for unreadable in batch.unreadable:
            found.refuse(unreadable.row, unreadable.message)
        for row in batch.rows.to_pylist():
            place, number = row["_row"], (row[NUMBER] or "").strip().removesuffix(".0")
            if place > MOST:
                found.refuse(place, f"a sheet takes {MOST:,} rows at once")
                return
            if not (number.isascii() and number.isdigit() and len(number) < 19):
                found.refuse(place, f"{NUMBER} does not say which kept row it is: new rows are loaded as a file")
                continue
            piece.append((place, int(number), row))
            if len(piece) == _AT_ONCE:
                yield piece
                piece = []
    yield piece


def _kept(connection: Connection, table: Table, numbers: list[int]) -> dict[int, Any]:
    query = sa.select(Reject.reject_id, Reject.status, Reject.mended, Reject.payload).where(
        Reject.reject_id == sa.func.any(numbers), Reject.source == table.source, Reject.table_name == table.name
    )
    return {row.reject_id: row for row in connection.execute(query)}


def _compare(table: Table, found: Mended, place: int, row: Row, kept: Any) -> None:
    """One row against what the ledger has of it."""
    values: dict[str, str | None] = {}
    for name in table.column_names:
        differs = (row.get(name) or "") != _as_cell(kept.payload.get(name))
        # a guess that is right is a change as any other: else it would tell what nobody may see
        is_guess = bool(row.get(name)) and table.column(name).pii == "direct"
        if name in row and row[name] != KEPT and (differs or is_guess):
            values[name] = row[name]
    unknown = [name for name in kept.payload if name not in table.column_names]
    if unknown and OTHER in row and not row[OTHER]:
        values |= dict.fromkeys(unknown)
    if not values:
        found.unchanged += 1
    elif kept.status not in OPEN:
        found.refuse(place, f"row {kept.reject_id} is not kept any more: it was taken up or dismissed")
    elif (row.get(SEEN) or "").strip().removesuffix(".0") not in ("", str(kept.mended)):
        found.refuse(place, f"row {kept.reject_id} was mended by somebody else since the sheet was made")
    elif set(unknown) - set(values):
        found.refuse(
            place,
            f"row {kept.reject_id} has values under names that the table has not; empty {OTHER} to leave them out",
        )
    else:
        found.mends.append(Mend(kept.reject_id, values, kept.mended))


def _as_cell(value: Any) -> str:
    """A kept value as a sheet gives it back: its line ends are the spreadsheet's."""
    return "" if value is None else str(value).replace("\r\n", "\n")
