"""CSV, read by Arrow in pieces; a row that does not fit its header is set aside, not guessed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as arrow_csv

from loader.contract.model import Table
from loader.intake.decode.base import Batch, ReadFailure, Unreadable, make_batch, storable
from loader.intake.decode.dialect import DecimalSign, find_header, hinted_separator
from loader.intake.decode.encoding import Text, open_text
from loader.intake.decode.header import place_columns
from loader.intake.decode.misfits import Misfit, Misfits
from loader.intake.decode.said import NOTHING_SAID, Said

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK = 1 << 20
#: Rows that don't fit the header, of a body that is only looked at.
_LOOKED_AT = 1000
#: Blank lines above the header that are passed over.
_BLANK_LINES = 100
#: Rows set aside, and characters of them, that one batch hands on at most.
_ASIDE_ROWS = 10_000
_ASIDE_TEXT = 8 << 20


class CsvDecoder:
    """A header row of the table's column names, then one row a record.

    An empty field is NULL; an empty field in quotes is an empty text. Encoding, separator,
    quotation mark and decimal sign are found out unless said: see
    :mod:`~loader.intake.decode.encoding` and :mod:`~loader.intake.decode.dialect`.
    """

    def __init__(self, stream: BinaryIO, table: Table, said: Said = NOTHING_SAID) -> None:
        self._text = open_text(stream, said.encoding, may_be_western=True)
        self._stream = _Peekable(self._text)
        line = self._peek_header()
        hint = hinted_separator(line)
        if hint:
            self._stream.drop_line()
            line, said = self._peek_header(), replace(said, separator=said.separator or hint)
        for _ in range((said.header_row or 1) - 1):
            self._stream.drop_line()
            line = self._peek_header()
        self._line = find_header(line, table, said)
        self._stream.quote = self._line.quote.encode()
        self.header = place_columns(table, self._line.names, said, has_lines=True)
        self.columns = self.header.column_names
        # Arrow is told of columns by their place: a name may come twice, if it is left out
        self._stream.put_line(self._line.separator.join(str(place) for place in range(len(self.header.names))))
        self._decimals = DecimalSign(self.header.kept.values(), said.decimal)
        self._bad = Misfits()
        self._may_set_aside = _LOOKED_AT if said.as_it_is else None
        self._number = 0  # of the last row that has been given its number
        self._unreadable: list[Unreadable] = []
        self._unreadable_text = 0

    @property
    def found(self) -> dict[str, Any]:
        return {
            "format": "csv", **self._text.found, "separator": self._line.separator,
            "quote": self._line.quote, "decimal": self._decimals.sign, **self.header.found,
        }  # fmt: skip

    def _peek_header(self) -> str:
        head = self._stream.peek_line()
        for _ in range(_BLANK_LINES):
            if head.strip():
                break
            self._stream.drop_line()
            head = self._stream.peek_line()
        if not head.strip():
            raise ReadFailure("the file is empty: a header row with column names is expected")
        try:
            return head.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ReadFailure(
                f"the header is not {self._text.encoding.upper()} (byte {error.start}); say its encoding, or save the "
                "file as UTF-8"
            ) from error

    def __iter__(self) -> Iterator[Batch]:
        try:
            reader = arrow_csv.open_csv(
                self._stream.all_at_once() or self._stream,
                read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._line.separator,
                    quote_char=self._line.quote,
                    newlines_in_values=True,
                    invalid_row_handler=self._set_aside,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    # those that are left out are read, too: an open quotation mark there takes rows of others
                    column_types={str(place): pa.binary() for place in range(len(self.header.names))},
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            last, number = None, 0
            for rows in reader:
                numbers = [] if self._bad.head is not None else self._next_numbers(rows.num_rows)
                while len(numbers) < rows.num_rows:
                    yield from self._take_aside()
                    numbers += self._next_numbers(1)
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
            if self._may_set_aside == 0:
                return  # enough has been looked at
            if "straddl" in str(error):
                raise ReadFailure(
                    f"a row is longer than {_BLOCK >> 20} MB, or a quotation mark is opened and never closed, "
                    f"after row {max(self._number, self._bad.last.number if self._bad.last else 0)}"
                ) from error
            raise ReadFailure(f"the CSV can't be read: {error}") from error
        finally:
            self._bad.close()

    def _next_numbers(self, count: int) -> list[int]:
        self._number += count
        return list(range(self._number - count + 1, self._number + 1))

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
            line_of_fields = csv.reader(
                [line.decode("latin-1")], delimiter=self._line.separator, quotechar=self._line.quote, strict=True
            )
            next(line_of_fields, None)
        except csv.Error as error:
            return "unexpected end" in str(error)
        return False

    def _set_aside(self, row: arrow_csv.InvalidRow) -> str:
        # Arrow counts records from 1 with the header; the load counts from 1 without it.
        self._bad.append(Misfit(row.number - 1, row.actual_columns, row.text))
        if self._may_set_aside is None:
            return "skip"
        self._may_set_aside -= 1
        return "skip" if self._may_set_aside > 0 else "error"

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
        kept = [rows.column(place) for place in self.header.kept]
        for name, column in zip(self.columns, kept, strict=True):
            columns[name] = _as_text(column, broken)
        batch_numbers = pa.array(numbers, pa.int64())
        if broken:
            keep = pa.array([i not in broken for i in range(rows.num_rows)])
            for index in sorted(broken):
                unreadable.append(self._not_utf8(numbers[index], kept, index))
            batch_numbers = batch_numbers.filter(keep)
            columns = {name: column.filter(keep) for name, column in columns.items()}
        batch_numbers = self._read_decimals(batch_numbers, columns, unreadable)
        return make_batch(batch_numbers, columns, unreadable)

    def _read_decimals(self, numbers: pa.Array, columns: dict[str, pa.Array], unreadable: list[Unreadable]) -> pa.Array:
        """Numbers in ``columns`` with a point; the numbers of the rows left when those in doubt are set aside."""
        if self._line.separator == "," and not self._stream.quotes:
            return numbers  # no value holds a comma
        doubts = {doubt.index: doubt for doubt in reversed(self._decimals.read(columns, numbers))}
        if not doubts:
            return numbers
        for index, doubt in sorted(doubts.items()):
            row = {name: values[index].as_py() for name, values in columns.items()}
            payload = {name: value and storable(value) for name, value in row.items()}
            unreadable.append(Unreadable(numbers[index].as_py(), "unreadable", doubt.message, payload, doubt.column))
        keep = pa.array([index not in doubts for index in range(len(numbers))])
        for name, values in columns.items():
            columns[name] = values.filter(keep)
        return numbers.filter(keep)

    def _misfit(self, number: int, fields: int, text: str) -> Unreadable:
        expected = len(self.header.names)
        rule = "too_many_fields" if fields > expected else "too_few_fields"
        return Unreadable(
            number, rule, f"has {fields} fields, and the header has {expected}",
            {"_line": storable(text)},
        )  # fmt: skip

    def _not_utf8(self, number: int, columns: list[pa.Array], index: int) -> Unreadable:
        payload: dict[str, str | None] = {}
        culprit = None
        for name, column in zip(self.columns, columns, strict=True):
            value = column[index].as_py()
            try:
                payload[name] = None if value is None else value.decode("utf-8")
            except UnicodeDecodeError:
                culprit = culprit or name
                payload[name] = value.decode("utf-8", "backslashreplace")
            payload[name] = payload[name] and storable(str(payload[name]))
        message = f"is not {self._text.encoding.upper()} text; say the encoding if it is another"
        return Unreadable(number, "unreadable", message, payload, culprit)


def _as_text(column: pa.Array, broken: set[int]) -> pa.Array:
    """The column as strings; indexes of values that are not UTF-8 go to ``broken``."""
    try:
        text = column.view(pa.string())
        text.validate(full=True)  # what a cast would do, for a tenth of what it costs to begin one
    except pa.ArrowInvalid:
        values: list[str | None] = []
        for index, value in enumerate(column.to_pylist()):
            try:
                values.append(None if value is None else value.decode("utf-8"))
            except UnicodeDecodeError:
                broken.add(index)
                values.append(None)
        return pa.array(values, pa.string())
    return text


class _Peekable(io.RawIOBase):
    """A text whose first line can be seen before it is read, and whose quotation marks are counted."""

    _HEADER_LIMIT = 1 << 20

    def __init__(self, text: Text) -> None:
        self._ahead = text.head
        self._rest = text.rest
        self.quote = b'"'
        self.quotes = 0
        self.last_line = b""

    def peek_line(self) -> bytes:
        while b"\n" not in self._ahead and len(self._ahead) < self._HEADER_LIMIT:
            piece = self._rest.read(1 << 16)
            if not piece:
                self._ahead += b"\n"  # a header alone: Arrow asks for the end of its line
                break
            self._ahead += piece
        line, _, _ = self._ahead.partition(b"\n")
        if len(line) >= self._HEADER_LIMIT:
            raise ReadFailure("the first line is longer than a megabyte: this is no CSV header")
        return line.partition(b"\r")[0] if b"\r" in line.rstrip(b"\r") else line

    def drop_line(self) -> None:
        """Pass over the line that was peeked."""
        self._ahead = self._ahead[len(self.peek_line()) :].removeprefix(b"\r").removeprefix(b"\n")

    def put_line(self, text: str) -> None:
        """Have another line in the place of the one that was peeked."""
        self._ahead = text.encode() + self._ahead[len(self.peek_line()) :]

    def readable(self) -> bool:
        return True

    def readinto(self, into: WriteableBuffer) -> int:
        buffer = memoryview(into)
        piece = self._ahead[: len(buffer)]
        self._ahead = self._ahead[len(piece) :]
        filled = 0
        # Arrow makes a block of what it gets, however little, and a row may not span three of them
        while piece or (filled < len(buffer) and (piece := self._rest.read(len(buffer) - filled) or b"")):
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._note(piece)
            piece = b""
        return filled

    def all_at_once(self) -> pa.BufferReader | None:
        """What is left, if all of it is here: Arrow's thread then need not wait for Python to hand it over."""
        piece = self._rest.read(1) or b""
        self._ahead += piece
        if piece:
            return None
        whole, self._ahead = self._ahead, b""
        self._note(whole)
        return pa.BufferReader(whole)

    def _note(self, piece: bytes) -> None:
        self.quotes += piece.count(self.quote)
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        self.last_line = piece[end:] if end else self.last_line + piece
