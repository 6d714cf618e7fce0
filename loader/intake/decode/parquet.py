"""Parquet, in batches; typed values are written as the text that stands for them exactly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loader.contract.model import Table
from loader.intake.decode.base import Batch, ReadFailure, check_columns, make_batch

_ROWS = 65_536


class ParquetDecoder:
    """The file's columns must be the table's; their types are free, the contract judges."""

    def __init__(self, stream: BinaryIO, table: Table) -> None:
        try:
            self._file = pq.ParquetFile(stream)
        except (pa.ArrowInvalid, OSError) as error:
            raise ReadFailure(f"this is not a Parquet file: {error}") from error
        self.columns = check_columns(table, self._file.schema_arrow.names)
        self.rows = self._file.metadata.num_rows

    def __iter__(self) -> Iterator[Batch]:
        last = 0
        try:
            for rows in self._file.iter_batches(batch_size=_ROWS):
                numbers = pa.array(range(last + 1, last + rows.num_rows + 1), pa.int64())
                last += rows.num_rows
                columns = {
                    name: _as_text(column)
                    for name, column in zip(self.columns, rows.columns, strict=True)
                }
                yield make_batch(numbers, columns, [])
        except (pa.ArrowInvalid, OSError) as error:
            raise ReadFailure(f"the Parquet file is damaged after row {last}: {error}") from error


def _as_text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_text(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        return _timestamps(column)
    if pa.types.is_nested(kind):
        return pa.array(
            [None if v is None else json.dumps(v, default=str) for v in column.to_pylist()],
            pa.string(),
        )
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        try:
            return column.cast(pa.string())
        except pa.ArrowInvalid as error:
            raise ReadFailure("a binary column holds something else than UTF-8 text") from error
    return column.cast(pa.string())


def _timestamps(column: pa.Array) -> pa.Array:
    """ISO 8601 with ``Z`` where the column has a zone (its instants are UTC), else without."""
    zone = column.type.tz
    bare = column.cast(pa.timestamp(column.type.unit, "UTC")) if zone else column
    bare = bare.cast(pa.timestamp(column.type.unit))
    try:
        # seven to nine decimals would be refused, and most nanosecond columns hold none
        bare = bare.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        pass
    text = pc.strftime(bare, format="%Y-%m-%dT%H:%M:%S")
    return pc.binary_join_element_wise(text, "Z", "") if zone else text
