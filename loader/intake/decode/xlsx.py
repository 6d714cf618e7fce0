"""Excel workbooks (.xlsx): one sheet, a header row of the table's column names, then one row a record.

The parts are read as streams, in pieces: a sheet is never held, whatever it says of its own size.
The shared texts of a workbook wait in a temporary file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from loader.contract.model import Table
from loader.intake.decode.base import (
    Batch,
    Piece,
    ReadFailure,
    Unreadable,
    is_unicode,
    storable,
)
from loader.intake.decode.header import place_columns
from loader.intake.decode.packed import Budget, open_zip, size_of
from loader.intake.decode.said import NOTHING_SAID, Said
from loader.intake.decode.xlsx_book import Book, Sheet
from loader.intake.decode.xlsx_sheet import Cell, rows_of
from loader.intake.decode.xlsx_values import NotAValue, text_of


class XlsxDecoder:
    """The first sheet that is shown and holds anything, unless one is said by name or number.

    The first row that holds anything is the header. Empty rows are passed over, and an empty
    cell or text is NULL. Rows are counted from 1 after the header, without the empty ones.
    """

    def __init__(self, stream: BinaryIO, table: Table, said: Said = NOTHING_SAID) -> None:
        self._book = Book(open_zip(stream, "Excel file"), Budget(size_of(stream)))
        self._sheet, self._rows = self._choose(said.sheet)
        for _ in range((said.header_row or 1) - 1):
            next(self._rows, None)
        header = next(self._rows, {})
        if not header:
            raise ReadFailure(f"the sheet {self._sheet.name!r} is empty: a header row with column names is expected")
        names = [str(header[place].raw) if place in header else "" for place in range(max(header) + 1)]
        self.header = place_columns(table, names, said, has_lines=True)
        self.columns = self.header.column_names

    @property
    def found(self) -> dict[str, Any]:
        return {"format": "xlsx", "sheet": self._sheet.name, **self.header.found}

    def _choose(self, said: str | None) -> tuple[Sheet, Iterator[dict[int, Cell]]]:
        if said is not None:
            sheet = self._book.sheet(said)
            return sheet, rows_of(self._book, sheet)
        shown = [sheet for sheet in self._book.sheets if sheet.is_shown]
        if not shown:
            raise ReadFailure("the Excel file has no sheet that is shown")
        seen: set[str] = set()
        for sheet in shown:
            if sheet.path.lower() in seen:  # two may name one part
                continue
            seen.add(sheet.path.lower())
            rows = rows_of(self._book, sheet)
            first = next(rows, None)
            if first is not None:
                return sheet, _with_first(first, rows)
        return shown[0], iter(())

    def __iter__(self) -> Iterator[Batch]:
        piece = Piece(self.columns)
        for number, cells in enumerate(self._rows, 1):
            piece.add(number, self._row(number, cells))
            if piece.is_full:
                yield piece.batch()
                piece = Piece(self.columns)
        if piece.count:
            yield piece.batch()

    def _row(self, number: int, cells: dict[int, Cell]) -> list[str | None] | Unreadable:
        columns = self.header.columns
        texts: dict[str, str | None] = dict.fromkeys(self.columns)
        fault: tuple[str, str] | None = None
        for place, cell in cells.items():
            if place >= len(columns):
                shown = {
                    f"_{place + 1}": str(cell.raw)[:1000]
                    for place, cell in sorted(cells.items())
                    if place >= len(columns) or columns[place] is not None
                }
                return Unreadable(
                    number, "too_many_fields",
                    f"has a value in column {place + 1} of the sheet, and the header has {len(columns)}",
                    _storable(shown),
                )  # fmt: skip
            if (column := columns[place]) is None:
                continue
            try:
                texts[column.name] = text_of(cell, column.type, self._book.is_1904)
            except NotAValue as error:
                texts[column.name] = str(cell.raw)
                fault = fault or (column.name, str(error))
        if fault is None:
            halves = (name for name, text in texts.items() if text is not None and not is_unicode(text))
            fault = next(((name, "holds half a surrogate pair") for name in halves), None)
        if fault is not None:
            # not to be let in on a replay: what the cell shows is not what it holds
            return Unreadable(number, "unreadable", fault[1], _storable(texts), fault[0])
        return list(texts.values())


def _with_first(first: dict[int, Cell], rest: Iterator[dict[int, Cell]]) -> Iterator[dict[int, Cell]]:
    yield first
    yield from rest


def _storable(payload: Mapping[str, str | None]) -> dict[str, Any]:
    return {name: value and storable(value) for name, value in payload.items()}
