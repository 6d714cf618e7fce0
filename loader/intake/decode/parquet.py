"""Parquet, in batches; typed values are written as the text that stands for them exactly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loader.contract.model import Table
from loader.contract.types import DataType
from loader.intake.decode.base import Batch, ReadFailure, make_batch
from loader.intake.decode.header import place_columns
from loader.intake.decode.packed import FREE_BYTES, MOST_TIMES, size_of
from loader.intake.decode.said import NOTHING_SAID, Said
from loader.intake.decode.width import row_width, total_widths

_ROWS = 65_536
#: Rows times the widest value of each column: what one batch may take as text.
_BATCH_BYTES = 32 << 20
#: A row wider than this is not one record of a table.
_ROW_BYTES = 4 << 20
#: Values of fixed length that are longer stand for no type of a contract; a decimal takes 32 bytes at most.
_LONGEST_FIXED = 4096
#: What the values of a row group's lists may take: they may all be one row's, which Arrow reads at once.
_LIST_BYTES = 48 << 20
#: Bytes of a number, or of a text's place in its dictionary; and what goes with a value of a list.
_NUMBER, _LEVELS = 8, 4
#: Arrow keeps the different texts of a row group until its end: what these may take.
_GROUP_BYTES = 256 << 20
#: Up to here it does not count how few bytes the rows take.
_FREE_ROWS = 100_000
#: What Arrow raises for a file that it can't read; a damaged one may hold any bytes for a name.
_UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)


#: The words of a column's format, as `strftime` has them.
_CODES = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH24": "%H", "MI": "%M", "SS": "%S"}
_WORDS = re.compile("|".join(_CODES))


class ParquetDecoder:
    """The file's columns must be the table's; their types are free, the contract judges."""

    def __init__(self, stream: BinaryIO, table: Table, said: Said = NOTHING_SAID) -> None:
        try:
            whole = pq.ParquetFile(stream)
            names = whole.schema_arrow.names
        except _UNREADABLE as error:
            raise ReadFailure(f"this is not a Parquet file: {str(error).rstrip('.')}") from error
        self.header = place_columns(table, names, said)
        self._as_it_is = said.as_it_is
        self.columns = self.header.column_names
        _check_expansion(whole.metadata, size_of(stream))
        _check_values(whole.metadata, size_of(stream))
        try:
            # a value that a small file repeats a million times is then held once
            self._file = pq.ParquetFile(stream, metadata=whole.metadata, read_dictionary=_texts(whole))
        except _UNREADABLE as error:
            raise ReadFailure(f"this is not a Parquet file: {str(error).rstrip('.')}") from error

    @property
    def found(self) -> dict[str, Any]:
        return {"format": "parquet", **self.header.found}

    def __iter__(self) -> Iterator[Batch]:
        last = 0
        try:
            for rows in self._file.iter_batches(batch_size=self._batch_size()):
                if rows.nbytes > _GROUP_BYTES:
                    raise ReadFailure(
                        f"a row group holds more than {_GROUP_BYTES >> 20} MB of different texts; "
                        "write the file in smaller row groups"
                    )
                for column in rows.columns:
                    _check_indices(column)
                width = sum(row_width(column) for column in rows.columns)
                if width > _ROW_BYTES:
                    _check_rows(rows, last)
                step = max(1, min(_ROWS, _BATCH_BYTES // max(1, width)))
                for start in range(0, rows.num_rows, step):
                    piece = rows.slice(start, step)
                    numbers = pa.array(range(last + 1, last + piece.num_rows + 1), pa.int64())
                    last += piece.num_rows
                    texts = {
                        column.name: self._text(piece.column(place), column.type)
                        for place, column in self.header.kept.items()
                    }
                    yield make_batch(numbers, texts, [])
        except _UNREADABLE as error:
            raise ReadFailure(f"the Parquet file is damaged after row {last}: {error}") from error

    def _text(self, column: pa.Array, type_: DataType) -> pa.Array:
        if type_.format is not None:
            return _as_formatted(column, type_)
        try:
            return _as_text(column)
        except ReadFailure:
            if not self._as_it_is:
                raise
            return pa.nulls(len(column), pa.string())  # nothing to show, and it may be left out

    def _batch_size(self) -> int:
        """Rows to read at once, of which values that differ stay within the batch's bytes."""
        groups = (self._file.metadata.row_group(index) for index in range(self._file.metadata.num_row_groups))
        width = max((group.total_byte_size // group.num_rows for group in groups if group.num_rows > 0), default=0)
        # a value that all rows share takes no room in the file, and its own for each row once it is read
        width = max(width, sum(_value_widths(self._file.metadata)))
        return max(1, min(_ROWS, _BATCH_BYTES // max(1, width)))


def _check_expansion(metadata: pq.FileMetaData, size: int) -> None:
    """Raises :class:`ReadFailure` for a file of ``size`` bytes that is packed as no table is.

    A page is unpacked at once, and of equal values a million rows take no room. The footer's word is
    taken for it: pages that unpack to more than the footer says are not seen.
    """
    if metadata.num_rows > max(_FREE_ROWS, MOST_TIMES * size):
        raise ReadFailure(
            f"the Parquet file holds {metadata.num_rows:,} rows in {size:,} bytes, as no table with a key does; "
            "load it in parts"
        )
    for group in (metadata.row_group(index) for index in range(metadata.num_row_groups)):
        for column in (group.column(index) for index in range(group.num_columns)):
            if column.total_uncompressed_size > max(FREE_BYTES, MOST_TIMES * column.total_compressed_size):
                raise ReadFailure(
                    f"the column {column.path_in_schema[:80]!r} unpacks to more than {MOST_TIMES} times its size, as "
                    "no table does; if it is one, write it without compression, or in smaller row groups"
                )


def _check_values(metadata: pq.FileMetaData, size: int) -> None:
    """Raises :class:`ReadFailure` for values that take little room in the file, and much once they are read."""
    widths = _value_widths(metadata)
    for index, width in enumerate(widths):
        if width > _LONGEST_FIXED:
            raise ReadFailure(
                f"the column {metadata.schema.column(index).path[:80]!r} has values of {width:,} bytes each, as no "
                "type of a table has; write it as text, whose length is free"
            )
    total = 0
    for group in (metadata.row_group(index) for index in range(metadata.num_row_groups)):
        values = [max(0, group.column(index).num_values - group.num_rows) for index in range(group.num_columns)]
        if sum(count * (_LEVELS + width) for count, width in zip(values, widths, strict=True)) > _LIST_BYTES:
            raise ReadFailure(
                f"the lists of a row group hold {sum(values):,} values, which take more than {_LIST_BYTES >> 20} MB; "
                "write the file in smaller row groups"
            )
        total += sum(values)
    if total > max(_FREE_ROWS, MOST_TIMES * size):
        raise ReadFailure(
            f"the lists of the Parquet file hold {total:,} values in {size:,} bytes, as no table's do; load it in parts"
        )


def _value_widths(metadata: pq.FileMetaData) -> list[int]:
    """The bytes that a value of each column takes once it is read, without those of free length."""
    columns = (metadata.schema.column(index) for index in range(metadata.num_columns))
    return [max(_NUMBER, column.length) for column in columns]


def _check_rows(rows: pa.RecordBatch, last: int) -> None:
    """Raises :class:`ReadFailure` for a row wider than a record may be; ``last`` is the number before the first."""
    place = pc.index(pc.greater(total_widths(rows.columns, rows.num_rows), _ROW_BYTES), True).as_py()
    if place >= 0:
        raise ReadFailure(
            f"row {last + 1 + place} takes more than {_ROW_BYTES >> 20} MB: it is no record of a table; "
            "shorten its texts and lists, or leave it out"
        )


def _texts(file: pq.ParquetFile) -> list[str]:
    """The paths of the columns of free length, nested ones too."""
    columns = (file.schema.column(index) for index in range(len(file.schema)))
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _check_indices(column: pa.Array) -> None:
    """Raises ``ArrowInvalid`` when a damaged file points outside of a dictionary."""
    if pa.types.is_dictionary(column.type):
        ends = pc.min_max(column.indices).as_py()
        if ends["min"] is not None and not 0 <= ends["min"] <= ends["max"] < len(column.dictionary):
            raise pa.ArrowInvalid("a value is not in its dictionary")


def _as_text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_text(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        return _timestamps(column)
    if pa.types.is_nested(kind):
        return pa.array(
            [None if v is None else json.dumps(v, default=_inside) for v in column.to_pylist()],
            pa.string(),
        )
    if isinstance(kind, pa.UuidType):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    try:
        text = column.cast(pa.string())
        text.validate(full=True)  # a file may say of any bytes that they are text
    except pa.ArrowInvalid as error:
        raise ReadFailure("a column holds something else than UTF-8 text") from error
    return text


def _as_formatted(column: pa.Array, type_: DataType) -> pa.Array:
    """Of a column with a format of its own: dates and moments as it has them; what says more than it can, as ever."""
    kind = column.type
    assert type_.format is not None
    if not pa.types.is_date(kind) and not pa.types.is_timestamp(kind):
        return _as_text(column)
    moments = column
    if pa.types.is_timestamp(kind) and kind.tz:
        moments = pc.local_timestamp(column.cast(pa.timestamp(kind.unit, type_.timezone or "UTC")))
    whole = moments.cast(pa.date32() if type_.family == "date" else pa.timestamp("s"), safe=False)
    words = _WORDS.sub(lambda word: _CODES[word[0]], type_.format.replace("%", "%%"))
    is_all = pc.equal(whole.cast(moments.type), moments)
    return pc.if_else(is_all, pc.strftime(whole.cast(pa.timestamp("s")), format=words), _as_text(column))


def _inside(value: object) -> str:
    """The text of a value, inside a nested one, for which JSON has no form."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _timestamps(column: pa.Array) -> pa.Array:
    """ISO 8601 with ``Z`` where the column has a zone (its instants are UTC), else without."""
    zone = column.type.tz
    bare = column.cast(pa.timestamp(column.type.unit, "UTC")) if zone else column
    bare = bare.cast(pa.timestamp(column.type.unit))
    text = _iso(bare)
    if bare.type.unit == "ns":
        # seven to nine decimals will be refused, and most nanosecond columns hold none
        short = bare.cast(pa.timestamp("us"), safe=False)
        is_exact = pc.equal(short.cast(pa.timestamp("ns")), bare)
        text = pc.if_else(is_exact, _iso(short), text)
    return pc.binary_join_element_wise(text, "Z", "") if zone else text


def _iso(moments: pa.Array) -> pa.Array:
    return pc.replace_substring(moments.cast(pa.string()), " ", "T", max_replacements=1)
