"""CSV, read by Arrow in pieces; a row that does not fit its header is set aside, not guessed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as arrow_csv

from loader.contract.model import Table
from loader.intake.decode.base import Batch, ReadFailure, Unreadable, check_columns, make_batch

_BLOCK = 4 << 20
_DELIMITERS = (",", ";", "\t", "|")
_UTF8_BOM = b"\xef\xbb\xbf"


class CsvDecoder:
    """A header row of the table's column names, then one row a record.

    An empty field is NULL; an empty field in quotes is an empty text. The separator is the one
    of comma, semicolon, tab and bar that makes the header's names known.
    """

    def __init__(self, stream: BinaryIO, table: Table) -> None:
        self._stream = _Peekable(stream)
        head = self._stream.peek_line()
        if head.startswith(_UTF8_BOM):
            head = head[len(_UTF8_BOM) :]
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ReadFailure("the file is UTF-16; save it as UTF-8")
        if not head.strip():
            raise ReadFailure("the file is empty: a header row with column names is expected")
        try:
            line = head.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ReadFailure(f"the header is not UTF-8 (byte {error.start}); save the file as UTF-8") from error
        self._delimiter, names = _header(line, table)
        self.columns = check_columns(table, names)
        self._bad: list[tuple[int, int, str]] = []

    def __iter__(self) -> Iterator[Batch]:
        try:
            reader = arrow_csv.open_csv(
                self._stream,
                read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._delimiter,
                    newlines_in_values=True,
                    invalid_row_handler=self._set_aside,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types={name: pa.binary() for name in self.columns},
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            last, number = None, 0
            for rows in reader:
                batch, number = self._batch(rows, number)
                last = rows.slice(rows.num_rows - 1) if rows.num_rows else last
                yield batch
            if self._stream.quotes % 2 and self._ends_in_quotes(last, number):
                row = max(number, *(bad[0] for bad in self._bad)) if self._bad else number
                raise ReadFailure(f"a quotation mark in row {row} is opened and never closed")
            if self._bad:
                yield self._tail(number)
        except pa.ArrowInvalid as error:
            if "straddl" in str(error):
                raise ReadFailure(
                    f"a row is longer than {_BLOCK >> 20} MB, or a quotation mark is opened and never closed"
                ) from error
            raise ReadFailure(f"the CSV can't be read: {error}") from error

    def _ends_in_quotes(self, last: pa.RecordBatch | None, number: int) -> bool:
        """Whether the last row, of which there is an odd quotation mark, swallowed the file's end.

        ``last`` is the last row that fits, the ``number``-th.
        """
        if self._bad and self._bad[-1][0] > number:
            return bool({"\n", "\r"} & set(self._bad[-1][2])) or self._is_open(self._stream.last_line)
        if last is None:
            return False
        spans = any({10, 13} & set(value or b"") for value in last.to_pylist()[0].values())
        return spans or self._is_open(self._stream.last_line)

    def _is_open(self, line: bytes) -> bool:
        """Whether a quoted field of a file's last line, which no line feed ends, is not closed."""
        try:
            next(csv.reader([line.decode("latin-1")], delimiter=self._delimiter, strict=True), None)
        except csv.Error as error:
            return "unexpected end" in str(error)
        return False

    def _set_aside(self, row: arrow_csv.InvalidRow) -> str:
        # Arrow counts records from 1 with the header; the load counts from 1 without it.
        self._bad.append((row.number - 1, row.actual_columns, row.text))
        return "skip"

    def _batch(self, rows: pa.RecordBatch, last: int) -> tuple[Batch, int]:
        """The batch, numbered on from ``last``; numbers of rows set aside are left out."""
        skipped = {number for number, _, _ in self._bad}
        numbers: list[int] = []
        while len(numbers) < rows.num_rows:
            last += 1
            if last not in skipped:
                numbers.append(last)
        unreadable = [self._misfit(*bad) for bad in self._bad if bad[0] <= last]
        self._bad = [bad for bad in self._bad if bad[0] > last]
        columns: dict[str, pa.Array] = {}
        broken: set[int] = set()
        for name, column in zip(self.columns, rows.columns, strict=True):
            columns[name] = _as_text(column, broken)
        batch_numbers = pa.array(numbers, pa.int64())
        if broken:
            keep = pa.array([i not in broken for i in range(rows.num_rows)])
            for index in sorted(broken):
                unreadable.append(self._not_utf8(numbers[index], rows, index))
            batch_numbers = batch_numbers.filter(keep)
            columns = {name: column.filter(keep) for name, column in columns.items()}
        return make_batch(batch_numbers, columns, unreadable), last

    def _tail(self, last: int) -> Batch:
        empty = {name: pa.array([], pa.string()) for name in self.columns}
        unreadable = [self._misfit(*bad) for bad in self._bad]
        self._bad = []
        return make_batch(pa.array([], pa.int64()), empty, unreadable)

    def _misfit(self, number: int, fields: int, text: str) -> Unreadable:
        expected = len(self.columns)
        rule = "too_many_fields" if fields > expected else "too_few_fields"
        return Unreadable(
            number, rule, f"has {fields} fields, and the header has {expected}",
            {"_line": text.replace("\0", "\N{SYMBOL FOR NULL}")},
        )  # fmt: skip

    def _not_utf8(self, number: int, rows: pa.RecordBatch, index: int) -> Unreadable:
        payload: dict[str, str | None] = {}
        culprit = None
        for name, column in zip(self.columns, rows.columns, strict=True):
            value = column[index].as_py()
            try:
                payload[name] = None if value is None else value.decode("utf-8")
            except UnicodeDecodeError:
                culprit = culprit or name
                payload[name] = value.decode("utf-8", "backslashreplace")
            payload[name] = payload[name] and str(payload[name]).replace("\0", "\N{SYMBOL FOR NULL}")
        return Unreadable(number, "unreadable", "is not UTF-8 text", payload, culprit)


def _header(line: str, table: Table) -> tuple[str, list[str]]:
    best: tuple[int, str, list[str]] | None = None
    for delimiter in _DELIMITERS:
        names = next(csv.reader(io.StringIO(line), delimiter=delimiter), [])
        known = len(set(names) & set(table.column_names))
        if best is None or known > best[0]:
            best = (known, delimiter, names)
    assert best is not None
    return best[1], best[2]


def _as_text(column: pa.Array, broken: set[int]) -> pa.Array:
    """The column as strings; indexes of values that are not UTF-8 go to ``broken``."""
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        values: list[str | None] = []
        for index, value in enumerate(column.to_pylist()):
            try:
                values.append(None if value is None else value.decode("utf-8"))
            except UnicodeDecodeError:
                broken.add(index)
                values.append(None)
        return pa.array(values, pa.string())


class _Peekable(io.RawIOBase):
    """A stream whose first line can be seen before it is read, and whose quotes are counted."""

    _HEADER_LIMIT = 1 << 20

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ahead = b""
        self.quotes = 0
        self.last_line = b""

    def peek_line(self) -> bytes:
        while b"\n" not in self._ahead and len(self._ahead) < self._HEADER_LIMIT:
            piece = self._stream.read(1 << 16)
            if not piece:
                self._ahead += b"\n"  # a header alone: Arrow asks for the end of its line
                break
            self._ahead += piece
        line, _, _ = self._ahead.partition(b"\n")
        if len(line) >= self._HEADER_LIMIT:
            raise ReadFailure("the first line is longer than a megabyte: this is no CSV header")
        return line.partition(b"\r")[0] if b"\r" in line.rstrip(b"\r") else line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        piece = self._ahead[: len(buffer)] or self._stream.read(len(buffer))
        self._ahead = self._ahead[len(piece) :] if self._ahead else b""
        buffer[: len(piece)] = piece
        self.quotes += piece.count(b'"')
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        self.last_line = piece[end:] if end else self.last_line + piece
        return len(piece)
