"""Writes tables as Parquet, CSV or NDJSON, batch by batch.

A file gets its name when it is whole; until then it ends in `.part`.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Small enough that who reads the file batch by batch stays small too.
ROWS_A_GROUP = 131_072

# A row as CSV and NDJSON hold it: column names and what `as_text` gives.
Record = dict[str, Any]


def as_text(column: pa.ChunkedArray) -> list[Any]:
    """The values as a CSV or JSON file holds them: dates and times in ISO 8601, times with
    a Z, decimals with all their places; whole numbers, booleans and nulls stay what they are."""
    if pa.types.is_timestamp(column.type):
        seconds = column.cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()).fill_null(0).to_numpy()
        moments = np.datetime_as_string(seconds.astype("datetime64[s]"))
        return [
            moment + "Z" if known else None
            for moment, known in zip(moments, column.is_valid().to_pylist(), strict=True)
        ]
    if pa.types.is_date(column.type) or pa.types.is_decimal(column.type):
        return column.cast(pa.string()).to_pylist()
    return column.to_pylist()


def records(table: pa.Table) -> Iterator[Record]:
    """The rows as dictionaries of what `as_text` gives."""
    columns = [as_text(column) for column in table.columns]
    return (dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True))


def csv_fields(record: Record) -> list[str]:
    """One record's fields in CSV: null is an empty field, booleans are true and false."""
    return [str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
            for value in record.values()]  # fmt: skip


class TableFile:
    """A file that is open for writing; its form follows from its name.

    `rows` is the number of rows written. `write` takes a table of the schema given.
    `write_record` takes one row that need not fit it (CSV and NDJSON only): a
    dictionary, or in CSV a list of fields.
    """

    def __init__(self, path: Path, schema: pa.Schema):
        self.path = path
        self.rows = 0
        self._part = path.with_name(path.name + ".part")
        self._form = path.suffix
        if self._form == ".parquet":
            self._parquet = pq.ParquetWriter(self._part, schema)
        elif self._form in (".csv", ".ndjson"):
            self._stream = self._part.open("w", encoding="utf-8", newline="")
            if self._form == ".csv":
                self._csv = csv.writer(self._stream, lineterminator="\n")
                self._csv.writerow(schema.names)
        else:
            raise ValueError(f"{path.name}: no form for '{self._form}'; there are .parquet, .csv and .ndjson")

    def write(self, table: pa.Table) -> None:
        if self._form == ".parquet":
            self._parquet.write_table(table, row_group_size=ROWS_A_GROUP)
            self.rows += len(table)
            return
        for record in records(table):
            self.write_record(record)

    def write_record(self, record: Record | list[str]) -> None:
        if self._form == ".csv":
            self._csv.writerow(record if isinstance(record, list) else csv_fields(record))
        else:
            self._stream.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
        self.rows += 1

    def __enter__(self) -> "TableFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._form == ".parquet":
            self._parquet.close()
        else:
            self._stream.close()
        if kind is None:
            self._part.replace(self.path)
        else:
            self._part.unlink()
