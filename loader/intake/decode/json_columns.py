"""NDJSON at once: whole lines of flat objects, by Arrow's reader; what it can't read exactly is left to others.

Arrow's reader takes a column for text only if each of its values is a text, and reads numbers as
numbers, which changes how they are written. So numbers are put in quotes before: their digits
are kept as they came.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from loader.contract.model import Table

#: A number as JSON has it.
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_Bytes = npt.NDArray[np.uint8]
_Places = npt.NDArray[np.int64]


class JsonColumns:
    """Reads lines of objects that have the table's columns, in any order, each at most once."""

    def __init__(self, table: Table) -> None:
        # nested values are written anew from what was parsed, which this does not do
        self._may = not any(column.type.is_json for column in table.columns)
        kinds = {c.name: pa.bool_() if c.type.family == "boolean" else pa.string() for c in table.columns}
        self._parse = arrow_json.ParseOptions(
            explicit_schema=pa.schema(kinds), newlines_in_values=False, unexpected_field_behavior="error"
        )

    def read(self, lines: bytes) -> dict[str, pa.Array] | None:
        """The columns, as text, of whole lines; ``None`` if any of them needs a closer look.

        A line that is no JSON, repeats a name, has a column that the table does not have, or a nested
        value, is such a line.
        """
        if not self._may:
            return None
        signs: _Bytes = np.frombuffer(lines if lines.endswith(b"\n") else lines + b"\n", np.uint8)
        feeds = np.flatnonzero(signs == ord("\n"))
        last = feeds - 1 - (signs[feeds - 1] == ord("\r"))
        # a line that ends in a brace ends with its object: so many objects as lines are one a line
        if not bool((signs[last] == ord("}")).all()):
            return None
        quoted = _quote_numbers(signs)
        if quoted is None:
            return None
        reading = arrow_json.ReadOptions(use_threads=False, block_size=len(quoted) + 1)
        try:
            table = arrow_json.read_json(io.BytesIO(quoted), reading, self._parse)
            if table.num_rows != len(feeds):
                return None
            columns = {name: _as_text(table.column(name)) for name in table.column_names}
        except (pa.ArrowInvalid, UnicodeDecodeError):
            return None
        return columns


def _quote_numbers(signs: _Bytes) -> bytes | None:
    """Each value that begins as a number in quotes; ``None`` if one of them is not a number of JSON.

    A value follows a quotation mark and a colon. Within a text these come after a backslash, or
    at its very beginning: then what is made of it here is no JSON any more.
    """
    colons = np.flatnonzero(signs[:-2] == ord(":"))
    starts = colons[(signs[colons - 1] == ord('"')) & (signs[colons - 2] != ord("\\"))] + 1
    starts = starts + (signs[starts] == ord(" "))
    first = signs[starts]
    starts = starts[((first >= ord("0")) & (first <= ord("9"))) | (first == ord("-"))]
    if not len(starts):
        return signs.tobytes()
    # the last line ends in a brace, so each start has an end
    stops = np.flatnonzero((signs == ord(",")) | (signs == ord("}")))
    ends = stops[np.searchsorted(stops, starts)]
    if not _are_numbers(signs, starts, ends):
        return None
    quotes = np.empty(2 * len(starts), np.int64)
    quotes[::2], quotes[1::2] = starts, ends
    return np.insert(signs, quotes, ord('"')).tobytes()


def _are_numbers(signs: _Bytes, starts: _Places, ends: _Places) -> bool:
    lengths = ends - starts
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    written = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(signs[places])]
    numbers = pa.Array.from_buffers(pa.binary(), len(starts), written)
    return bool(pc.all(pc.match_substring_regex(numbers, _NUMBER)).as_py())


def _as_text(column: pa.ChunkedArray) -> pa.Array:
    text = column.combine_chunks().cast(pa.string())
    text.validate(full=True)  # not every reader looks at whether it is UTF-8
    return text
