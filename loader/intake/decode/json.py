"""JSON and NDJSON, with every number kept as it is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from loader.contract.model import Table
from loader.intake.decode.base import Batch, Piece, ReadFailure, Unreadable, is_unicode, storable
from loader.intake.decode.encoding import open_text
from loader.intake.decode.json_text import Raw, Window, parse
from loader.intake.decode.said import NOTHING_SAID, Said

#: Characters of a name that the table does not have; all of it is kept with the row.
_SHOWN = 200
#: A line longer than this is not one record of a table.
_LINE_LIMIT = 4 << 20


_END = object()


def _write(value: Any) -> str:
    """JSON text of a parsed value, numbers as they were written.

    Not recursive: what the parser's own depth allows is more than Python's calls would. Of a value
    of a million brackets it holds no more than their text.
    """
    written: list[str] = []
    open_: list[tuple[Iterator[Any], str]] = []  # what is still to be written of each, and how it is closed
    while True:
        if isinstance(value, dict):
            written.append("{")
            open_.append((iter(value.items()), "}"))
        elif isinstance(value, list):
            written.append("[")
            open_.append((iter(value), "]"))
        else:
            written.append(value if isinstance(value, Raw) else json.dumps(value, ensure_ascii=False))
        while open_:
            rest, sign = open_[-1]
            value = next(rest, _END)
            if value is not _END:
                break
            written.append(sign)
            open_.pop()
        else:
            return "".join(written)
        if written[-1] not in ("{", "["):
            written.append(", ")
        if sign == "}":
            name, value = value
            written.append(f"{json.dumps(name, ensure_ascii=False)}: ")


class _RowReader:
    """Turns parsed records into batches of text columns."""

    def __init__(self, table: Table) -> None:
        self.columns = table.column_names
        self._table = table
        self._json = {c.name for c in table.columns if c.type.family == "jsonb"}

    def batches(self, records: Iterable[Any]) -> Iterator[Batch]:
        """``records`` are parsed values, or a raw line with what is wrong in it."""
        piece = Piece(self.columns)
        for number, record in enumerate(records, 1):
            row = self._row(number, record)
            piece.add(number, row if isinstance(row, Unreadable) else [row.get(name) for name in self.columns])
            if piece.is_full:
                yield piece.batch()
                piece = Piece(self.columns)
        if piece.count:
            yield piece.batch()

    def _row(self, number: int, record: Any) -> dict[str, str | None] | Unreadable:
        if isinstance(record, tuple):
            line, error = record
            return Unreadable(number, "unreadable", error, {"_line": line})
        if not isinstance(record, dict):
            return Unreadable(
                number, "unreadable", "is not an object with the table's columns",
                {"_line": storable(_write(record))},
            )  # fmt: skip
        text = {name: self._text(name, value) for name, value in record.items()}
        unknown = [name for name in record if name not in self.columns]
        payload = {storable(k): None if v is None else storable(v) for k, v in text.items()}
        if unknown:
            shown = storable(unknown[0])[:_SHOWN]
            return Unreadable(
                number, "unknown_column", f"{shown!r} is not a column of {self._table.id}", payload, shown
            )
        for name, value in text.items():
            if value is not None and not is_unicode(value):
                return Unreadable(number, "unreadable", "holds half a surrogate pair", payload, name)
        return text

    def _text(self, name: str, value: Any) -> str | None:
        if value is None:
            return None
        if name in self._json or isinstance(value, (dict, list)):
            return _write(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)


class NdjsonDecoder:
    """One JSON object a line; empty lines are passed over. A broken line is one refused row."""

    def __init__(self, stream: BinaryIO, table: Table, said: Said = NOTHING_SAID) -> None:
        self._text = open_text(stream, said.encoding)
        self._rows = _RowReader(table)
        self.columns = self._rows.columns

    @property
    def found(self) -> dict[str, Any]:
        return {"format": "ndjson", **self._text.found}

    def __iter__(self) -> Iterator[Batch]:
        return self._rows.batches(self._records())

    def _records(self) -> Iterator[Any]:
        lines = self._text.lines
        while line := lines.readline(_LINE_LIMIT):
            if len(line) >= _LINE_LIMIT:
                raise ReadFailure(f"a line is longer than {_LINE_LIMIT >> 20} MB: write one record a line")
            if not line.strip():
                continue
            try:
                yield parse(line.decode("utf-8"))
            except ValueError as error:
                shown = storable(line.decode("utf-8", "backslashreplace").rstrip("\r\n"))
                yield shown, _sentence(error)


class JsonDecoder:
    """A JSON object (one row) or an array of objects, read an element at a time."""

    def __init__(self, stream: BinaryIO, table: Table, said: Said = NOTHING_SAID) -> None:
        self._text = open_text(stream, said.encoding)
        self._window = Window(self._text.lines)
        if self._window.next_sign() not in ("{", "["):
            self._window.element()  # says where it is no JSON at all
            raise ReadFailure("the body is neither an object nor an array of objects")
        self._rows = _RowReader(table)
        self.columns = self._rows.columns

    @property
    def found(self) -> dict[str, Any]:
        return {"format": "json", **self._text.found}

    def __iter__(self) -> Iterator[Batch]:
        return self._rows.batches(self._records())

    def _records(self) -> Iterator[Any]:
        window = self._window
        if window.next_sign() == "{":
            yield window.element()
        else:
            window.take("[")
            if window.next_sign() == "]":
                window.take("]")
            else:
                yield window.element()
                while window.take(",", "]") == ",":
                    yield window.element()
        if window.next_sign():
            raise window.failure("is not JSON: Extra data")


def _sentence(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        what = error.msg.removesuffix(" at")
        return f"is not JSON: {what} at line {error.lineno}, column {error.colno} (character {error.pos})"
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8 (byte {error.start})"
    return str(error)
