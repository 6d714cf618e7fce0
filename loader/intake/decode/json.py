"""JSON and NDJSON, with every number kept as it is written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from loader.contract.model import Table
from loader.intake.decode.base import Batch, Piece, ReadFailure, Unreadable, is_unicode, make_batch, storable
from loader.intake.decode.encoding import open_text
from loader.intake.decode.header import check_said, found_of_said
from loader.intake.decode.json_columns import JsonColumns
from loader.intake.decode.json_text import Raw, Window, parse
from loader.intake.decode.said import NOTHING_SAID, Said

#: Characters of a name that the table does not have; all of it is kept with the row.
_SHOWN = 200
#: A line longer than this is not one record of a table.
_LINE_LIMIT = 4 << 20
#: So many bytes of lines are read at once.
_BLOCK = 2 << 20

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

    def __init__(self, table: Table, said: Said) -> None:
        check_said(table, said)
        self._meant = said.meant
        self.columns = table.column_names
        self._table = table
        self._known = frozenset(self.columns)
        self._json = {c.name for c in table.columns if c.type.family == "jsonb"}

    def batches(self, records: Iterable[Any], first: int = 1) -> Iterator[Batch]:
        """``records`` are parsed values, or a raw line with what is wrong in it; the number of the ``first``."""
        piece = Piece(self.columns)
        for number, record in enumerate(records, first):
            row = self._row(number, record)
            piece.add(number, row)
            if piece.is_full:
                yield piece.batch()
                piece = Piece(self.columns)
        if piece.count:
            yield piece.batch()

    def _row(self, number: int, record: Any) -> list[str | None] | Unreadable:
        if isinstance(record, tuple):
            line, error = record
            return Unreadable(number, "unreadable", error, {"_line": line})
        if not isinstance(record, dict):
            return Unreadable(
                number, "unreadable", "is not an object with the table's columns",
                {"_line": storable(_write(record))},
            )  # fmt: skip
        if self._meant:
            meant = [(self._meant.get(name, name), value) for name, value in record.items()]
            named = {name: value for name, value in meant if name is not None}
            if len(named) < sum(name is not None for name, _ in meant):
                return Unreadable(
                    number, "unreadable", "has two of what is said to be one column",
                    {
                        storable(name): storable(as_text(value, is_json=False) or "")
                        for name, value in record.items()
                        if self._meant.get(name, name) is not None
                    },
                )  # fmt: skip
            record = named
        text = {name: self._text(name, value) for name, value in record.items()}
        if not text.keys() <= self._known:
            shown = storable(next(name for name in text if name not in self._known))[:_SHOWN]
            message = f"{shown!r} is not a column of {self._table.id}"
            return Unreadable(number, "unknown_column", message, _kept(text), shown)
        for name, value in text.items():
            if value is not None and not is_unicode(value):
                return Unreadable(number, "unreadable", "holds half a surrogate pair", _kept(text), name)
        return [text.get(name) for name in self.columns]

    def _text(self, name: str, value: Any) -> str | None:
        return as_text(value, name in self._json)


def as_text(value: Any, is_json: bool) -> str | None:
    """A parsed value as the text of its column, of type ``jsonb`` or not."""
    if value is None or (type(value) is str and not is_json):
        return value
    if is_json or isinstance(value, (dict, list)):
        return _write(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _kept(text: dict[str, str | None]) -> dict[str, str | None]:
    """A row that can't be put into columns, as jsonb can keep it."""
    return {storable(name): None if value is None else storable(value) for name, value in text.items()}


class NdjsonDecoder:
    """One JSON object a line; empty lines are passed over. A broken line is one refused row."""

    def __init__(self, stream: BinaryIO, table: Table, said: Said = NOTHING_SAID) -> None:
        self._text = open_text(stream, said.encoding)
        self._at_once = JsonColumns(table)
        self._table, self._said = table, said
        self._rows = _RowReader(table, said)
        self.columns = self._rows.columns

    @property
    def found(self) -> dict[str, Any]:
        return {"format": "ndjson", **self._text.found, **found_of_said(self._table, self._said)}

    def __iter__(self) -> Iterator[Batch]:
        first = 1
        for block in self._blocks():
            columns = None if self._said.columns else self._at_once.read(block)
            if columns is None:
                batches = self._rows.batches(_records(block), first)
            else:
                count = len(next(iter(columns.values())))
                numbers = pa.array(range(first, first + count), pa.int64())
                batches = iter([make_batch(numbers, columns, [])])
            for batch in batches:
                first += batch.received
                yield batch

    def records(self) -> Iterator[Any]:
        """Each line parsed, or as it is with what is wrong in it."""
        return (record for block in self._blocks() for record in _records(block))

    def _blocks(self) -> Iterator[bytes]:
        """The text in pieces of whole lines."""
        lines = self._text.lines
        while block := lines.read(_BLOCK):
            begun = len(block) - (block.rfind(b"\n") + 1)
            end = lines.readline(_LINE_LIMIT - begun) if begun else b""
            if begun + len(end) >= _LINE_LIMIT:
                raise ReadFailure(f"a line is longer than {_LINE_LIMIT >> 20} MB: write one record a line")
            yield block + end


def _records(lines: bytes) -> Iterator[Any]:
    """Each line parsed, or as it is with what is wrong in it."""
    for line in io.BytesIO(lines):
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
        self._table, self._said = table, said
        self._rows = _RowReader(table, said)
        self.columns = self._rows.columns

    @property
    def found(self) -> dict[str, Any]:
        return {"format": "json", **self._text.found, **found_of_said(self._table, self._said)}

    def __iter__(self) -> Iterator[Batch]:
        return self._rows.batches(self.records())

    def records(self) -> Iterator[Any]:
        """Each element parsed."""
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
