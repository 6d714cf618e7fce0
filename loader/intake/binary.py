"""Rows of plain text as COPY's binary format takes them: the database then has nothing to parse.

Each value is two parts, its length in four bytes and its bytes, whole numbers of which the first
byte counts most (PostgreSQL's documentation: COPY, file formats; the types' own ``recv`` functions).
Values are plainly spelled (see ``DataType.plain``), so that there is one reading of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loader.contract.model import Table
from loader.contract.types import DataType

_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL = b"\xff\xff"
_NULL = pa.scalar(b"\xff\xff\xff\xff")
#: Days and microseconds from 1970 to 2000, where PostgreSQL begins to count.
_DAYS_BEFORE = 10_957
_MICROSECONDS_BEFORE = _DAYS_BEFORE * 86_400_000_000
#: The most digits of which any number fits into 64 bits.
_MOST_DIGITS = 18

_Numbers = npt.NDArray[Any]
#: From a column of text its parts.
Encoder = Callable[[pa.Array], list[pa.Array]]


class Binary:
    """Writes rows of a table; ``_row`` and ``_load_id`` may be among their columns."""

    def __init__(self, table: Table) -> None:
        self._encoders = {column.name: _encoder(column.type) for column in table.columns}

    def write(self, rows: pa.RecordBatch) -> bytes | None:
        """The rows, all plain; ``None`` when a column is of a type that is not written so."""
        if not rows.num_rows:
            return _HEAD + _TAIL
        fields: list[pa.Array | pa.Scalar] = [pa.scalar(len(rows.schema.names).to_bytes(2, "big"))]
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            if pa.types.is_integer(column.type):
                fields.append(_fixed(_numbers(column).astype(">i8")))
                continue
            encode = self._encoders[name]
            if column.null_count == len(column):
                fields.append(_NULL)
            elif encode is None:
                return None
            else:
                try:
                    fields += encode(column)
                except pa.ArrowInvalid:  # Arrow reads it otherwise than PostgreSQL does, which is asked then
                    return None
        body: bytes = pc.binary_join_element_wise(*fields, b"").buffers()[2].to_pybytes()
        return _HEAD + body + _TAIL


def _encoder(kind: DataType) -> Encoder | None:
    if kind.format is not None or kind.element is not None:
        return None
    if kind.family == "numeric":
        if kind.precision is None or kind.precision > _MOST_DIGITS:
            return None
        return partial(_numeric, precision=kind.precision, scale=kind.scale or 0)
    return _ENCODERS.get(kind.family)


def _fixed(values: _Numbers) -> pa.Array:
    """Values of one size, each behind its length; a row of ``values`` is one of them."""
    bare = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
    size = bare.shape[1]
    whole = np.empty((len(values), size + 4), np.uint8)
    whole[:, :4] = np.frombuffer(size.to_bytes(4, "big"), np.uint8)
    whole[:, 4:] = bare
    offsets = np.arange(0, (len(values) + 1) * (size + 4), size + 4, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(offsets), pa.py_buffer(whole)])


def _or_null(column: pa.Array, values: _Numbers) -> list[pa.Array]:
    fields = _fixed(values)
    return [pc.if_else(pc.is_valid(column), fields, _NULL) if column.null_count else fields]


def _numbers(column: pa.Array) -> _Numbers:
    return column.fill_null(0).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _integer(column: pa.Array, kind: pa.DataType, written: str) -> list[pa.Array]:
    return _or_null(column, _numbers(column.cast(kind)).astype(written))


def _numeric(column: pa.Array, precision: int, scale: int) -> list[pa.Array]:
    """Digits of base 10,000: those before the point, then those behind it."""
    decimals = column.cast(pa.decimal128(precision, scale))
    # 128 bits each, of which the lower 64 are the whole number
    unscaled = np.frombuffer(decimals.buffers()[1], "<i8", 2 * len(decimals), decimals.offset * 16)[::2]
    whole, rest = np.divmod(np.abs(unscaled), 10**scale)
    groups_before, groups_behind = -(-(precision - scale) // 4), -(-scale // 4)
    field = [("digits", ">i2"), ("weight", ">i2"), ("sign", ">i2"), ("scale", ">i2")]
    made = np.zeros(len(unscaled), np.dtype([*field, ("groups", ">i2", (groups_before + groups_behind,))]))
    made["digits"] = groups_before + groups_behind
    made["weight"] = groups_before - 1
    made["sign"] = np.where(unscaled < 0, 0x4000, 0)
    made["scale"] = scale
    rest = rest * 10 ** (4 * groups_behind - scale)
    for part, first, last in ((whole, 0, groups_before), (rest, groups_before, groups_before + groups_behind)):
        for place in reversed(range(first, last)):
            part, made["groups"][:, place] = np.divmod(part, 10_000)
    return _or_null(column, made)


def _text(column: pa.Array) -> list[pa.Array]:
    lengths = pc.binary_length(column).fill_null(-1).to_numpy(zero_copy_only=False).astype(">i4")
    offsets = np.arange(0, 4 * len(column) + 4, 4, dtype=np.int32)
    heads = pa.Array.from_buffers(pa.binary(), len(column), [None, pa.py_buffer(offsets), pa.py_buffer(lengths)])
    return [heads, column.cast(pa.binary()).fill_null(b"")]


def _boolean(column: pa.Array) -> list[pa.Array]:
    return _or_null(column, _numbers(pc.equal(column, "true").cast(pa.uint8())))


def _date(column: pa.Array) -> list[pa.Array]:
    days = _numbers(column.cast(pa.date32()).cast(pa.int32()))
    return _or_null(column, (days - _DAYS_BEFORE).astype(">i4"))


def _moment(column: pa.Array, zone: str | None) -> list[pa.Array]:
    moments = _numbers(column.cast(pa.timestamp("us", zone)).cast(pa.int64()))
    return _or_null(column, (moments - _MICROSECONDS_BEFORE).astype(">i8"))


def _uuid(column: pa.Array) -> list[pa.Array]:
    bare = pc.replace_substring(column.fill_null("0" * 32), "-", "")
    signs = np.frombuffer(bare.buffers()[2], np.uint8, 32 * len(bare)) | 0x20  # lower case, digits as they are
    halves = np.where(signs >= ord("a"), signs - ord("a") + 10, signs - ord("0")).reshape(len(bare), 16, 2)
    return _or_null(column, halves[:, :, 0] << 4 | halves[:, :, 1])


_ENCODERS: dict[str, Encoder] = {
    "smallint": partial(_integer, kind=pa.int16(), written=">i2"),
    "integer": partial(_integer, kind=pa.int32(), written=">i4"),
    "bigint": partial(_integer, kind=pa.int64(), written=">i8"),
    "text": _text,
    "varchar": _text,
    "boolean": _boolean,
    "date": _date,
    "timestamp": partial(_moment, zone=None),
    "timestamptz": partial(_moment, zone="UTC"),
    "uuid": _uuid,
}
