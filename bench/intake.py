"""How fast the door is, as a ratio to a bare COPY of the same file on the same server.

    python bench/intake.py [ROWS] [ROUNDS]

The yardstick is `copy` of the CSV into a plain table with the same columns and primary key.
Yardstick and door run in turn; the medians are compared. Ratios count, seconds do not.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2

from loader.contract.read import read_contract
from loader.database import make_engine
from loader.embedded import EmbeddedServer
from loader.intake.load import load_file
from loader.migrate import migrate
from loader.settings import Settings

PROJECT = Path(__file__).parent / "project"
PARENTS = 100_000
COLUMNS = "measure_id,parent_id,status,code,quantity,amount,note,taken_on,due_on,updated_at"
YARDSTICK = (
    "create table yardstick (measure_id bigint primary key, parent_id integer, status text, "
    "code text, quantity integer, amount numeric(12,2), note text, taken_on date, due_on date, "
    "updated_at timestamptz)"
)


def write_rows(path: Path, rows: int, faulty: float = 0.0, seed: int = 7) -> None:
    """About 115 bytes a row; a share ``faulty`` of the rows has one of five faults."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as out:
        out.write(COLUMNS + "\n")
        for number in range(rows):
            day, month = chance.randint(1, 28), chance.randint(1, 12)
            fields = [
                str(number), str(chance.randrange(PARENTS)),
                chance.choice(("new", "open", "paid", "closed")),
                f"ABC-{number % 100000:05d}", str(chance.randint(0, 1000)),
                f"{chance.randint(0, 999999) / 100:.2f}", "a note of some twenty letters",
                f"2024-{month:02d}-{day:02d}", f"2025-{month:02d}-{day:02d}",
                f"2024-{month:02d}-{day:02d}T12:34:{number % 60:02d}Z",
            ]  # fmt: skip
            if chance.random() < faulty:
                column, value = chance.choice(
                    ((1, "999999999"), (2, "lost"), (4, "x"), (5, "1.005"), (7, "2024-02-30"))
                )
                fields[column] = value
            out.write(",".join(fields) + "\n")


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main(rows: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)
        server = EmbeddedServer(home, port=5498)
        server.start()
        try:
            measure(home, rows, rounds)
        finally:
            server.clean()


def measure(home: Path, rows: int, rounds: int) -> None:
    settings = Settings(PROJECT, home, port=5498)
    engine = make_engine(settings)
    contract = read_contract(PROJECT, home)
    migrate(engine, contract)
    parents = home / "parents.csv"
    parents.write_text("parent_id,name\n" + "".join(f"{i},p{i}\n" for i in range(PARENTS)))
    load_file(engine, contract, contract.find("bench.parents"), parents, principal="bench")
    clean, faulty = home / "clean.csv", home / "faulty.csv"
    write_rows(clean, rows)
    write_rows(faulty, rows, faulty=0.01)
    table = contract.find("bench.measures")
    connection = psycopg2.connect(
        host=settings.host, port=settings.port, user=settings.user,
        password=settings.password, dbname=settings.database,
    )  # fmt: skip
    connection.autocommit = True
    cursor = connection.cursor()

    def yardstick() -> None:
        cursor.execute("drop table if exists yardstick")
        cursor.execute(YARDSTICK)
        with clean.open("rb") as file:
            cursor.copy_expert("copy yardstick from stdin (format csv, header)", file, 1 << 20)

    def door(path: Path) -> None:
        load_file(engine, contract, table, path, principal="bench", again=True)

    def empty() -> None:
        cursor.execute(f"truncate {table.mirror}, {table.history}")
        cursor.execute("delete from ledger.rejects")
        cursor.execute("checkpoint")

    seconds: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, path in (("clean", clean), ("1 % faulty", faulty)):
            empty()
            seconds.setdefault("yardstick", []).append(timed(yardstick))
            seconds.setdefault(f"CSV, {name}", []).append(timed(lambda path=path: door(path)))
        seconds.setdefault("all duplicates", []).append(timed(lambda: door(faulty)))
    base = statistics.median(seconds["yardstick"])
    print(f"{rows:,} rows of 10 columns, medians of {rounds} rounds")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:16} {rows / median / 1000:8.0f} krows/s   ratio {base / median:.2f}")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000,
        int(sys.argv[2]) if len(sys.argv) > 2 else 5,
    )
