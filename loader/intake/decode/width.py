"""How much text a row of an Arrow column may become, from its widest value."""

from __future__ import annotations

from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

#: Characters of any number, date, time or truth value, and what JSON writes around one.
_FIXED = 40


def row_width(column: pa.Array) -> int:
    """The bytes of the widest row that ``column`` could hold, each of its parts at its widest."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return row_width(column.dictionary)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        lengths = pc.subtract(column.offsets[1:], column.offsets[:-1])
        # `values`, not `flatten`: the widest value counts even where a null hides it
        return _FIXED + (pc.max(lengths).as_py() or 0) * max(_FIXED, row_width(column.values))
    if pa.types.is_fixed_size_list(kind):
        return _FIXED + int(kind.list_size) * max(_FIXED, row_width(column.values))
    if pa.types.is_struct(kind):
        names = sum(len(field.name) for field in kind)
        return _FIXED + names + sum(row_width(column.field(index)) for index in range(kind.num_fields))
    if pa.types.is_fixed_size_binary(kind):
        return int(kind.byte_width)
    if is_text(kind):
        return pc.max(pc.binary_length(column)).as_py() or 0
    return _FIXED


def row_widths(column: pa.Array) -> pa.Array:
    """The bytes that each row of ``column`` may take (int64); parts of fixed length count at their widest."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return pc.fill_null(pc.take(row_widths(column.dictionary), column.indices), 0)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        ends = pc.cumulative_sum(pc.max_element_wise(row_widths(column.values), _FIXED))
        sums = pa.concat_arrays([pa.array([0], pa.int64()), ends])
        taken = pc.subtract(pc.take(sums, column.offsets[1:]), pc.take(sums, column.offsets[:-1]))
        return pc.add(taken, _FIXED)
    if pa.types.is_struct(kind):
        names = sum(len(field.name) for field in kind)
        fields = [column.field(index) for index in range(kind.num_fields)]
        return pc.add(total_widths(fields, len(column)), _FIXED + names)
    if is_text(kind):
        return pc.fill_null(pc.binary_length(column).cast(pa.int64()), 0)
    return pa.repeat(pa.scalar(row_width(column), pa.int64()), len(column))


def total_widths(columns: list[pa.Array], count: int) -> pa.Array:
    """Of columns side by side, each of ``count`` rows."""
    return reduce(pc.add, map(row_widths, columns), pa.repeat(pa.scalar(0, pa.int64()), count))


def is_text(kind: pa.DataType) -> bool:
    return any(
        check(kind)
        for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    )
