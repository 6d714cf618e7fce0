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
from loader.intake.decode.misfits import Misfit, Misfits

_BLOCK = 4 << 20
#: Rows set aside, and characters of them, that one batch hands on at most.
_ASIDE_ROWS = 10_000
_ASIDE_TEXT = 8 << 20
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
        self.columns = check_columns(table, names, has_lines=True)
        self._bad = Misfits()
        self._number = 0  # of the last row that has been given its number
        self._unreadable: list[Unreadable] = []
        self._unreadable_text = 0

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
                numbers: list[int] = []
                for _ in range(rows.num_rows):
                    if self._bad.head is not None:
                        yield from self._take_aside()
                    self._number += 1
                    numbers.append(self._number)
                if numbers:
                    last, number = rows.slice(rows.num_rows - 1), numbers[-1]
                yield self._batch(rows, numbers)
                yield from self._take_aside()
            if self._stream.quotes % 2 and self._ends_in_quotes(last, number):
                row = max(number, self._bad.last.number) if self._bad.last else number
                raise ReadFailure(f"a quotation mark in row {row} is opened and never closed")
            yield from self._take_aside(rest=True)
            if self._unreadable:
                yield self._without_rows()
        except pa.ArrowInvalid as error:
            if "straddl" in str(error):
                raise ReadFailure(
                    f"a row is longer than {_BLOCK >> 20} MB, or a quotation mark is opened and never closed"
                ) from error
            raise ReadFailure(f"the CSV can't be read: {error}") from error
        finally:
            self._bad.close()

    def _ends_in_quotes(self, last: pa.RecordBatch | None, number: int) -> bool:
        """Whether the last row, of which there is an odd quotation mark, swallowed the file's end.

        ``last`` is the last row that fits, the ``number``-th.
        """
        bad = self._bad.last
        if bad is not None and bad.number > number:
            return bool({"\n", "\r"} & set(bad.text)) or self._is_open(self._stream.last_line)
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
        self._bad.append(Misfit(row.number - 1, row.actual_columns, row.text))
        return "skip"

    def _take_aside(self, *, rest: bool = False) -> Iterator[Batch]:
        """Take the misfits that follow the last numbered row, or all the ``rest``.

        Yields whenever there are enough for a batch of their own; what is left goes with the
        next batch.
        """
        while (head := self._bad.head) is not None and (rest or head.number <= self._number + 1):
            bad = self._bad.take()
            self._number = max(self._number, bad.number)
            self._unreadable.append(self._misfit(*bad))
            self._unreadable_text += len(bad.text)
            if len(self._unreadable) >= _ASIDE_ROWS or self._unreadable_text >= _ASIDE_TEXT:
                yield self._without_rows()

    def _hand_over(self) -> list[Unreadable]:
        handed, self._unreadable, self._unreadable_text = self._unreadable, [], 0
        return handed

    def _without_rows(self) -> Batch:
        empty = {name: pa.array([], pa.string()) for name in self.columns}
        return make_batch(pa.array([], pa.int64()), empty, self._hand_over())

    def _batch(self, rows: pa.RecordBatch, numbers: list[int]) -> Batch:
        """The rows of these numbers as text, and the misfits taken before them."""
        unreadable = self._hand_over()
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
        return make_batch(batch_numbers, columns, unreadable)

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
    """The delimiter that makes most names known, and the names; raises :class:`ReadFailure`."""
    best: tuple[int, str, list[str]] | None = None
    fault: csv.Error | None = None
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader(io.StringIO(line), delimiter=delimiter), [])
        except csv.Error as error:  # a name of more than 131,072 characters
            fault = error
            continue
        known = len(set(names) & set(table.column_names))
        if best is None or known > best[0]:
            best = (known, delimiter, names)
    if best is None:
        raise ReadFailure(f"the first line is no CSV header: {fault}") from fault
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
