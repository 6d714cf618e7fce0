"""A draft from a sample: CSV, NDJSON or Parquet. What a sample can't tell is not said.

A type is the narrowest that the whole sample fits with room to spare; in doubt it is text, which
loses nothing. That a column is filled in a sample says little, so only a key is called filled.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from loader.contract.draft import DraftColumn, DraftTable
from loader.intake.decode.json_text import parse
from loader.remedy import Remedy

#: Rows of a sample that are looked at.
ROWS = 100_000
_KEY_COLUMNS = 3
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.([0-9]+)")
_DECIMAL_OR_WHOLE = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: Digits that a type holds with one to spare, and what is left before and behind a decimal point.
_INTEGER, _BIGINT, _ROOM, _SCALE = 8, 17, 4, 2
_ARROW = {
    "bool": "boolean", "int8": "smallint", "int16": "smallint", "int32": "integer", "int64": "bigint",
    "uint8": "smallint", "uint16": "integer", "uint32": "bigint", "float": "double precision",
    "double": "double precision", "string": "text", "large_string": "text", "date32[day]": "date",
}  # fmt: skip

Row = dict[str, Any]


def draft_file(path: Path, name: str) -> DraftTable:
    """The table that would take this file. Raises :class:`Remedy` when it can't be read."""
    readers = {".csv": _csv, ".tsv": _csv, ".ndjson": _ndjson, ".jsonl": _ndjson, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Remedy(f"{path.name} is no sample.", f"Its name has to end in one of: {', '.join(readers)}.")
    try:
        columns, rows, stated = reader(path)
        typed = reader is not _csv
    except (UnicodeDecodeError, ValueError, pa.ArrowException) as error:
        raise Remedy(f"{path} can't be read: {error}.", "Give a sample that is whole, text as UTF-8.") from error
    if not rows:
        raise Remedy(f"{path} holds no row.", "Give a sample with some.")
    key = _key(columns, rows)
    values = {column: [value for row in rows if (value := row.get(column)) is not None] for column in columns}
    made = tuple(_column(column, values[column], stated.get(column), column in key, typed) for column in columns)
    seen = f"{len(rows):,} rows of the sample"
    remark = f"a guess: unique and filled in the {seen}" if key else f"no column of the {seen} is a key: name one"
    return DraftTable(name, made, key, "", remark)


Sample = tuple[list[str], list[Row], dict[str, str]]


def _csv(path: Path) -> Sample:
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
        separator = max(",;\t|", key=head.count)
        lines = csv.reader(_again(head, file), delimiter=separator, strict=True)
        columns = next(lines, [])
        if len(set(columns)) != len(columns) or not all(columns):
            raise ValueError("a column's name is missing, or there twice")
        rows = []
        for line in islice(lines, ROWS):
            if line and len(line) != len(columns):
                raise ValueError(f"line {lines.line_num} has {len(line)} fields, and the header {len(columns)}")
            rows.append({name: value or None for name, value in zip(columns, line, strict=bool(line))})
    return columns, rows, {}


def _again(first: str, rest: io.TextIOBase) -> Iterator[str]:
    yield first
    yield from rest


def _ndjson(path: Path) -> Sample:
    rows: list[Row] = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(islice(file, ROWS), 1):
            if line.strip():
                row = parse(line)
                if not isinstance(row, dict):
                    raise ValueError(f"line {number} is no object")
                rows.append(row)
    return list(dict.fromkeys(name for row in rows for name in row)), rows, {}


def _parquet(path: Path) -> Sample:
    file = pq.ParquetFile(path)
    rows: list[Row] = []
    for batch in file.iter_batches(batch_size=10_000):
        rows += batch.to_pylist()
        if len(rows) >= ROWS:
            break
    schema = file.schema_arrow
    stated = {field.name: known for field in schema if (known := _arrow_type(field.type))}
    return schema.names, rows, stated


def _arrow_type(kind: pa.DataType) -> str | None:
    """The type that a Parquet file states; ``None`` where the values have to tell."""
    if pa.types.is_decimal(kind):
        return f"numeric({max(kind.precision, kind.scale)},{max(kind.scale, 0)})" if kind.scale >= 0 else "numeric"
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    if pa.types.is_time(kind):
        return "time"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if pa.types.is_nested(kind.value_type):
            return "jsonb"
        inner = _arrow_type(kind.value_type)
        return f"{inner}[]" if inner else None
    if pa.types.is_nested(kind):
        return "jsonb"
    found = _ARROW.get(str(kind))
    return None if found == "text" else found  # a text may be a day or a UUID


def _column(name: str, values: Sequence[Any], stated: str | None, is_key: bool, typed: bool) -> DraftColumn:
    """``values`` are those there are; ``typed`` says that a number in quotes was meant as a text."""
    if stated is not None:
        return DraftColumn(name, stated, is_key)
    if not values:
        return DraftColumn(name, "text", is_key, remark="empty in all of the sample: text until more is known")
    return DraftColumn(name, _type_of(values, typed), is_key)


def _type_of(values: Sequence[Any], typed: bool) -> str:
    if all(isinstance(value, list) for value in values):
        inner = [item for value in values for item in value if item is not None]
        if any(isinstance(item, (list, dict)) for item in inner):
            return "jsonb"
        return f"{_type_of(inner, typed)}[]" if inner else "text[]"
    if any(isinstance(value, (list, dict)) for value in values):
        return "jsonb"
    if all(isinstance(value, bool) for value in values):
        return "boolean"
    if any(isinstance(value, bool) for value in values):
        return "text"
    if typed and any(type(value) is str and _DECIMAL_OR_WHOLE.fullmatch(value) for value in values):
        return "text"
    if typed and any(type(value) is str for value in values) and not all(type(value) is str for value in values):
        return "text"
    return _type_of_texts([str(value) for value in values])


def _type_of_texts(values: Sequence[str]) -> str:
    if all(value.lower() in ("true", "false") for value in values):
        return "boolean"
    if all(_WHOLE.fullmatch(value) for value in values):
        digits = max(len(value.lstrip("-")) for value in values)
        if digits <= _BIGINT:
            return "integer" if digits <= _INTEGER else "bigint"
        return f"numeric({digits + _ROOM},0)"
    if all(_WHOLE.fullmatch(value) or _DECIMAL.fullmatch(value) for value in values):
        whole = max(len(value.lstrip("-").partition(".")[0]) for value in values) + _ROOM
        scale = max(_SCALE, *(len(value.partition(".")[2]) for value in values))
        return f"numeric({whole + scale},{scale})"
    if all(_DAY.fullmatch(value) and _is_date(value) for value in values):
        return "date"
    moments = [_MOMENT.fullmatch(value) for value in values]
    if all(moments) and all(map(_is_moment, values)):
        zoned = [bool(found and found[3]) for found in moments]
        if all(zoned) or not any(zoned):
            return "timestamptz" if all(zoned) else "timestamp"
    if all(_UUID.fullmatch(value) for value in values):
        return "uuid"
    return "text"


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _key(columns: Sequence[str], rows: Sequence[Row]) -> tuple[str, ...]:
    """A column that is named like a key, else the fewest first columns; none by a single row."""
    if len(rows) < 2:
        return ()
    named = [(column,) for column in columns if re.search(r"(^|_)(id|key|code|number|uuid)$", column.lower())]
    first = [tuple(columns[:count]) for count in range(1, min(_KEY_COLUMNS, len(columns)) + 1)]
    return next((key for key in _likely(first[:1], named[:1], first[1:]) if _is_key(key, rows)), ())


def _likely(*groups: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    for group in groups:
        yield from group


def _is_key(columns: Sequence[str], rows: Sequence[Row]) -> bool:
    seen = set()
    for row in rows:
        values = tuple(row.get(column) for column in columns)
        if any(value is None or isinstance(value, (list, dict, float)) for value in values) or values in seen:
            return False
        seen.add(values)
    return True
