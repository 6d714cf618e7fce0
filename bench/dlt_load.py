"""dlt's fastest way of a CSV into Postgres: Arrow reads it typed, dlt writes CSV again and COPYs it.

Run by dlt's own interpreter, with nothing of this project: ``python dlt_load.py FILE FOLDER``.
Appended, without a key or a rule: what dlt does not do is not asked of it. The connection comes
as PG* in the environment; pipeline state goes into FOLDER.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import dlt
import pyarrow as pa
import pyarrow.csv as arrow_csv
from dlt.destinations import postgres

TYPES = {
    "measure_id": pa.int64(), "parent_id": pa.int32(), "status": pa.string(), "code": pa.string(),
    "quantity": pa.int32(), "amount": pa.decimal128(12, 2), "note": pa.string(), "taken_on": pa.date32(),
    "due_on": pa.date32(), "updated_at": pa.timestamp("us", tz="UTC"),
}  # fmt: skip


@dlt.resource(name="measures", write_disposition="append", file_format="csv")
def measures(path: str) -> Iterator[pa.RecordBatch]:
    reader = arrow_csv.open_csv(
        path,
        read_options=arrow_csv.ReadOptions(block_size=16 << 20),
        convert_options=arrow_csv.ConvertOptions(column_types=TYPES),
    )
    for batch in reader:
        yield pa.Table.from_batches([batch])


def main(path: str, folder: str) -> None:
    given = os.environ
    address = (
        f"postgresql://{given['PGUSER']}:{given.get('PGPASSWORD', '')}@{given['PGHOST']}:{given['PGPORT']}"
        f"/{given['PGDATABASE']}"
    )
    pipeline = dlt.pipeline(
        "bench", destination=postgres(address), dataset_name="bench_dlt", pipelines_dir=folder, dev_mode=False
    )
    pipeline.run(measures(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
