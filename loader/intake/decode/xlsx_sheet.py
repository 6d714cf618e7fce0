"""The cells of a sheet, row by row, as the events of its XML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from loader.intake.decode.base import ReadFailure
from loader.intake.decode.xlsx_book import LONGEST_TEXT, Book, Sheet, unescaped

#: Excel's own bounds.
_MOST_ROWS = 1_048_576
_MOST_COLUMNS = 16_384


class Cell(NamedTuple):
    """``kind``: text, number, boolean, error, iso (a date as text), date or duration (a number that
    a format shows so), or uncalculated; ``raw`` is what the file holds."""

    kind: str
    raw: str


def rows_of(book: Book, sheet: Sheet) -> Iterator[dict[int, Cell]]:
    """The rows that hold anything: cells by their column, from 0. Raises :class:`ReadFailure`."""
    reader = _Reader(book)
    xml = book.open(sheet.path, reader.start, reader.end, reader.data)
    while xml.read():
        yield from reader.take()
    yield from reader.take()


class _Reader:
    """Gathers cells from events; holds the rows of one piece of the file at most."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._rows: list[dict[int, Cell]] = []
        self._row: dict[int, Cell] = {}
        self._count = 0
        self._size = 0
        self._next_column = 0
        self._column = 0
        self._type = "n"
        self._style = 0
        self._has_formula = False
        self._takes = self._is_phonetic = False
        self._text: list[str] = []

    def take(self) -> list[dict[int, Cell]]:
        """The rows that are complete."""
        taken, self._rows = self._rows, []
        return taken

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._start_cell(attributes)
        elif name == "v" or (name == "t" and not self._is_phonetic):
            self._takes = True
        elif name == "f":
            self._has_formula = True
        elif name == "rPh":
            self._is_phonetic = True
        elif name == "row":
            self._row, self._size, self._next_column = {}, 0, 0

    def end(self, name: str) -> None:
        if name == "c":
            self._end_cell()
        elif name in ("v", "t"):
            self._takes = False
        elif name == "rPh":
            self._is_phonetic = False
        elif name == "row":
            self._count += 1
            if self._count > _MOST_ROWS:
                raise ReadFailure(f"a sheet has more than {_MOST_ROWS:,} rows, as none of Excel's has")
            if self._row:
                self._rows.append(self._row)
                self._row = {}

    def data(self, text: str) -> None:
        if self._takes:
            self._grow(len(text))
            self._text.append(text)

    def _grow(self, characters: int) -> None:
        self._size += characters
        if self._size > LONGEST_TEXT:
            raise ReadFailure(f"a row of the sheet holds more than {LONGEST_TEXT >> 20} MB of text")

    def _start_cell(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r")
        self._column = self._next_column if reference is None else _column_of(reference)
        if self._column >= _MOST_COLUMNS:
            raise ReadFailure(f"a row of the sheet has more than {_MOST_COLUMNS:,} columns, as none of Excel's has")
        self._next_column = self._column + 1
        self._type = attributes.get("t", "n")
        style = attributes.get("s", "0")
        self._style = int(style) if style.isdigit() and len(style) < 9 else 0
        self._has_formula = False
        self._text = []

    def _end_cell(self) -> None:
        raw = "".join(self._text)
        if not raw:
            if self._has_formula and self._type != "str":
                self._row[self._column] = Cell("uncalculated", "")
            return
        cell = self._cell(raw)
        if cell.raw:
            self._row[self._column] = cell

    def _cell(self, raw: str) -> Cell:
        match self._type:
            case "s":
                try:
                    text = self._book.texts[int(raw)]
                except (ValueError, IndexError) as error:
                    raise ReadFailure("the Excel file is damaged: a cell names a text that is not there") from error
                self._grow(len(text))
                return Cell("text", text)
            case "str" | "inlineStr":
                return Cell("text", unescaped(raw))
            case "b":
                return Cell("boolean", raw)
            case "e":
                return Cell("error", raw)
            case "d":
                return Cell("iso", raw)
        styles = self._book.styles
        kind = styles[self._style] if self._style < len(styles) else None
        return Cell(kind or "number", raw)


def _column_of(reference: str) -> int:
    """The column of ``BC23``, from 0."""
    column = 0
    for sign in reference[:8]:
        if not "A" <= sign <= "Z":
            break
        column = column * 26 + ord(sign) - 64
    if column == 0:
        raise ReadFailure("the Excel file is damaged: a cell has no place")
    return column - 1
