"""A look at a body before anybody has said which of the table's columns it has: its own names, its first rows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sized
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from loader.contract.model import Table
from loader.intake.decode import Said, open_body
from loader.intake.decode.base import Decoder, ReadFailure, storable
from loader.intake.decode.csv import CsvDecoder
from loader.intake.decode.json import JsonDecoder, NdjsonDecoder, as_text
from loader.intake.decode.packed import Unpacking
from loader.intake.decode.parquet import ParquetDecoder
from loader.intake.decode.xlsx import XlsxDecoder

#: More columns than these nobody says one by one.
MOST_NAMES = 1000
#: Records of JSON whose names are looked at, since a record may lack some, and for how long.
_RECORDS, _SECONDS = 1000, 2.0
#: Pieces of a body in which a row is looked for that fits its header.
_PIECES = 2
#: Characters of a value that are shown.
_LONGEST = 200

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Look:
    """``names`` as the body has them. ``rows`` are the first ones that fit, a text (or nothing) for each name, cut
    where it is long; ``found`` as on a receipt."""

    names: tuple[str, ...]
    rows: tuple[Row, ...]
    found: dict[str, Any]


def look(stream: BinaryIO, table: Table, format_: str, said: Said, rows: int) -> Look:
    """The first ``rows`` of a body that would be loaded into ``table``; raises :class:`ReadFailure`.

    It holds one piece or record of the body at a time, and reads its beginning only.
    """
    decoder = open_body(stream, table, format_, replace(said, as_it_is=True))
    inner = decoder.decoder if isinstance(decoder, Unpacking) else decoder
    if isinstance(inner, JsonDecoder | NdjsonDecoder):
        names, first = _of_records(inner, rows)
    else:
        assert isinstance(inner, CsvDecoder | ParquetDecoder | XlsxDecoder), "all other decoders have a header"
        names = inner.header.names
        _require_few(names)
        first = _of_columns(decoder, len(names), rows)
    # which column is which nobody has said, nor which of them are numbers
    unknown = {"columns"} if said.decimal else {"columns", "decimal"}
    found = {what: how for what, how in (decoder.found or {}).items() if what not in unknown}
    return Look(names, tuple(first), found)


def _of_columns(decoder: Decoder, width: int, rows: int) -> list[Row]:
    """Columns are named by their places; rows that can't be put into them are passed over."""
    for batch in itertools.islice(decoder, _PIECES):
        first = batch.rows.slice(0, rows).to_pylist()
        if first:
            return [tuple(_shown(row[str(place)]) for place in range(width)) for row in first]
    return []


def _of_records(decoder: JsonDecoder | NdjsonDecoder, rows: int) -> tuple[tuple[str, ...], list[Row]]:
    names: dict[str, None] = {}
    first: list[dict[str, str | None]] = []
    until = time.monotonic() + _SECONDS
    for record in itertools.islice(decoder.records(), _RECORDS):
        if not isinstance(record, dict):
            continue
        names.update(dict.fromkeys(record))
        _require_few(names)
        if len(first) < rows:
            first.append({name: _shown(as_text(value, is_json=False)) for name, value in record.items()})
        if time.monotonic() > until:
            break
    if not names:
        raise ReadFailure("none of the first records is an object with names and values")
    return tuple(names), [tuple(row.get(name) for name in names) for row in first]


def _require_few(names: Sized) -> None:
    if len(names) > MOST_NAMES:
        raise ReadFailure(
            f"there are {len(names):,} columns, and {MOST_NAMES:,} at most can be looked at; `loader load --columns` "
            "takes more"
        )


def _shown(value: str | None) -> str | None:
    return None if value is None else storable(value[:_LONGEST])
