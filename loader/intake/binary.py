"""Rows of plain text as COPY's binary format takes them: the database then has nothing to parse.

Arrow reads the text by the columns' types, and pgpq writes the format. Values are plainly spelled
(see ``DataType.plain``), so that there is one reading of them.
"""

from __future__ import annotations

import numpy as np
import pgpq
import pyarrow as pa
import pyarrow.compute as pc

from loader.contract.model import Table
from loader.contract.types import DataType

#: The most digits that Arrow's decimals hold.
_MOST_DIGITS = 38
_KINDS = {
    "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(), "text": pa.string(), "varchar": pa.string(),
    "boolean": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"), "uuid": pa.binary(16),
}  # fmt: skip


class Binary:
    """Writes rows of a table; columns of numbers, such as ``_row``, are taken as they are."""

    def __init__(self, table: Table) -> None:
        self._kinds = {column.name: _kind(column.type) for column in table.columns}

    def write(self, rows: pa.RecordBatch) -> bytes | None:
        """The rows, all plain; ``None`` when a column is of a type that is not written so."""
        columns = []
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            kind = self._kinds.get(name, column.type)
            if column.null_count == len(column):
                kind = column.type  # of any type NULL is NULL
            if kind is None:
                return None
            try:
                columns.append(_uuids(column) if pa.types.is_fixed_size_binary(kind) else column.cast(kind))
            except pa.ArrowInvalid:  # Arrow reads it otherwise than PostgreSQL does, which is asked then
                return None
        typed = pa.record_batch(columns, rows.schema.names)
        encoder = pgpq.ArrowToPostgresBinaryEncoder(typed.schema)
        return b"".join((encoder.write_header(), encoder.write_batch(typed), encoder.finish()))


def _kind(type_: DataType) -> pa.DataType | None:
    """Arrow's type for a column's values; ``None`` where there is none of the same meaning."""
    if type_.format is not None or type_.element is not None:
        return None
    if type_.family == "numeric":
        # without a scale PostgreSQL keeps the digits as they are written, and Arrow does not
        is_bounded = type_.precision is not None and type_.precision <= _MOST_DIGITS
        return pa.decimal128(type_.precision, type_.scale or 0) if is_bounded else None
    return _KINDS.get(type_.family)


def _uuids(column: pa.Array) -> pa.Array:
    bare = pc.replace_substring(column.fill_null("0" * 32), "-", "")
    signs = np.frombuffer(bare.buffers()[2], np.uint8, 32 * len(bare)) | 0x20  # lower case, digits as they are
    halves = np.where(signs >= ord("a"), signs - ord("a") + 10, signs - ord("0")).reshape(-1, 2)
    values = pa.Array.from_buffers(
        pa.binary(16), len(bare), [None, pa.py_buffer((halves[:, 0] << 4 | halves[:, 1]).astype(np.uint8))]
    )
    return pc.if_else(pc.is_valid(column), values, pa.scalar(None, pa.binary(16)))
