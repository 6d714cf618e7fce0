"""A look at a body before anybody has said which of the table's columns it has: its own names, its first rows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from loader.contract.model import Table
from loader.intake.decode import Said, open_body
from loader.intake.decode.base import Decoder, ReadFailure
from loader.intake.decode.csv import CsvDecoder
from loader.intake.decode.json import JsonDecoder, NdjsonDecoder, as_text
from loader.intake.decode.packed import Unpacking
from loader.intake.decode.parquet import ParquetDecoder
from loader.intake.decode.xlsx import XlsxDecoder

#: Records of JSON whose names are looked at: a record may lack some.
_RECORDS = 100


@dataclass(frozen=True)
class Look:
    """``rows`` are the first ones that fit, a text (or nothing) for each of ``names``; ``found`` as on a receipt."""

    names: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    found: dict[str, Any]


def look(stream: BinaryIO, table: Table, format_: str, said: Said, rows: int) -> Look:
    """The first ``rows`` of a body that would be loaded into ``table``; raises :class:`ReadFailure`."""
    decoder = open_body(stream, table, format_, replace(said, columns=(), as_it_is=True))
    inner = decoder.decoder if isinstance(decoder, Unpacking) else decoder
    if isinstance(inner, JsonDecoder | NdjsonDecoder):
        names, first = _of_records(inner, rows)
    else:
        assert isinstance(inner, CsvDecoder | ParquetDecoder | XlsxDecoder), "all other decoders have a header"
        names, first = inner.header.names, _of_columns(decoder, len(inner.header.names), rows)
    found = {what: how for what, how in (decoder.found or {}).items() if what != "columns"}  # which nobody has said
    return Look(names, tuple(first), found)


def _of_columns(decoder: Decoder, width: int, rows: int) -> list[tuple[str | None, ...]]:
    """Columns are named by their places; rows that can't be put into them are passed over."""
    for batch in decoder:
        first = batch.rows.slice(0, rows).to_pylist()
        if first:
            return [tuple(row[str(place)] for place in range(width)) for row in first]
    return []


def _of_records(
    decoder: JsonDecoder | NdjsonDecoder, rows: int
) -> tuple[tuple[str, ...], list[tuple[str | None, ...]]]:
    records = [record for record in itertools.islice(decoder.records(), _RECORDS) if isinstance(record, dict)]
    names = tuple(dict.fromkeys(name for record in records for name in record))
    if not names:
        raise ReadFailure("none of the first records is an object with names and values")
    return names, [tuple(as_text(record.get(name), is_json=False) for name in names) for record in records[:rows]]
