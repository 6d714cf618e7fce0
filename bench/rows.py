"""The rows that the benchmarks load: some 115 bytes each, in every format, from a seed."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

PARENTS = 100_000
COLUMNS = ("measure_id", "parent_id", "status", "code", "quantity", "amount", "note", "taken_on", "due_on",
           "updated_at")  # fmt: skip
_STATES = ("new", "open", "paid", "closed")
#: (column, value): a parent that is not there, a word that is not accepted, and three values that no type takes.
_FAULTS = ((1, "999999999"), (2, "lost"), (4, "x"), (5, "1.005"), (7, "2024-02-30"))


def write_parents(path: Path) -> None:
    path.write_text("parent_id,name\n" + "".join(f"{i},p{i}\n" for i in range(PARENTS)), encoding="utf-8")


def make_row(number: int, chance: random.Random) -> list[str]:
    """The fields of one good row."""
    day, month = chance.randint(1, 28), chance.randint(1, 12)
    return [
        str(number), str(chance.randrange(PARENTS)), chance.choice(_STATES), f"ABC-{number % 100000:05d}",
        str(chance.randint(0, 1000)), f"{chance.randint(0, 999999) / 100:.2f}", "a note of some twenty letters",
        f"2024-{month:02d}-{day:02d}", f"2025-{month:02d}-{day:02d}",
        f"2024-{month:02d}-{day:02d}T12:34:{number % 60:02d}Z",
    ]  # fmt: skip


def write_csv(path: Path, rows: int, faulty: float = 0.0, seed: int = 7) -> None:
    """A share ``faulty`` of the rows has one of five faults."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as out:
        out.write(",".join(COLUMNS) + "\n")
        for number in range(rows):
            fields = make_row(number, chance)
            if chance.random() < faulty:
                column, value = chance.choice(_FAULTS)
                fields[column] = value
            out.write(",".join(fields) + "\n")


def write_others(folder: Path, source: Path) -> None:
    """The rows of the CSV again: shuffled, as NDJSON, as Parquet with types."""
    lines = source.read_text("utf-8").splitlines(keepends=True)
    shuffled = lines[1:]
    random.Random(11).shuffle(shuffled)
    (folder / "shuffled.csv").write_text(lines[0] + "".join(shuffled), encoding="utf-8")
    with (folder / "clean.ndjson").open("w", encoding="utf-8") as out:
        for row in _records(source):
            out.write(json.dumps(row) + "\n")
    types = {"measure_id": pa.int64(), "parent_id": pa.int32(), "quantity": pa.int32(), "amount": pa.decimal128(12, 2),
             "taken_on": pa.date32(), "due_on": pa.date32(), "updated_at": pa.timestamp("s", "UTC")}  # fmt: skip
    table = arrow_csv.read_csv(source, convert_options=arrow_csv.ConvertOptions(column_types=types))
    pq.write_table(table, folder / "clean.parquet", row_group_size=100_000)


def write_refused(path: Path, rows: int) -> None:
    """Rows of which none comes in: each has a status that nobody knows."""
    chance = random.Random(7)
    with path.open("w", encoding="utf-8") as out:
        out.write(",".join(COLUMNS) + "\n")
        for number in range(rows):
            fields = make_row(number, chance)
            fields[2] = "lost"
            out.write(",".join(fields) + "\n")


def _records(source: Path) -> Iterator[dict[str, object]]:
    with source.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield {**row, "measure_id": int(row["measure_id"]), "parent_id": int(row["parent_id"]),
                   "quantity": int(row["quantity"])}  # fmt: skip
