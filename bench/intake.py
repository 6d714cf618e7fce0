"""How fast the door is, as ratios to a bare COPY of the same rows on the same server.

Yardstick and door run in turn, in this same run; the medians are compared. Ratios count,
seconds do not. All rules of the contract are on: see ``project/models/_bench__sources.yml``.
"""

from __future__ import annotations

import json
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.house import Api, House
from bench.rows import COLUMNS, make_row, write_csv, write_others, write_refused

_CALLERS = 8
_CSV = "text/csv"
#: INSERTs for each call: both then last about as long, and take in the machine's moods alike.
_INSERTS = 10


@dataclass
class Line:
    """One line of the table: the seconds of each round for both, and what should be reached."""

    name: str
    reach: float
    aim: float
    yardstick: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return statistics.median(self.yardstick) / statistics.median(self.ours)


def measure(house: House, rows: int, rounds: int) -> Iterator[Line]:
    """Every line of loading files and bodies, as it is measured."""
    clean, faulty = house.folder / "clean.csv", house.folder / "faulty.csv"
    write_csv(clean, rows)
    write_csv(faulty, rows, faulty=0.01)
    write_others(house.folder, clean)
    with house.web() as api:
        for line, path, way in (
            (Line("CSV, clean, `loader load`", 0.45, 0.9), clean, house.load),
            (Line("CSV, 1 % faulty of five kinds", 0.35, 0.8), faulty, house.load),
            (Line("CSV, clean, HTTP upload", 0.35, 0.8), clean, lambda path: upload(api, path)),
            (Line("NDJSON, clean", 0.25, 0.5), house.folder / "clean.ndjson", house.load),
            (Line("Parquet, clean", 0.45, 1.0), house.folder / "clean.parquet", house.load),
        ):
            for _ in range(rounds):
                house.empty()
                line.yardstick.append(house.copy(clean))
                seconds, receipt, *_ = way(path)
                _require(receipt, rows, is_clean=path != faulty)
                line.ours.append(seconds)
            yield line
    again = Line("the same rows, other order: all duplicates", 0.3, 0.6)
    house.empty()
    house.load(clean)
    for _ in range(rounds):
        house.run("truncate yardstick", "checkpoint")
        again.yardstick.append(house.copy(clean))
        seconds, receipt, _ = house.load(house.folder / "shuffled.csv")
        assert receipt["duplicates"] == rows, receipt
        again.ours.append(seconds)
    yield again


def _require(receipt: dict[str, Any], rows: int, is_clean: bool) -> None:
    """A time counts only if the rows came in: a load that refuses them all may be a fast one."""
    kept = receipt["rejected"] + receipt["waiting"]
    assert receipt["received"] == rows, receipt
    assert receipt["accepted"] == rows if is_clean else 0 < kept < rows / 50 and receipt["accepted"] > 0, receipt


def measure_dlt(house: House, rows: int, rounds: int, python: Path) -> Line:
    """dlt's time for the clean file, and the loader's; the loader's own is what is measured against."""
    line = Line("dlt, Arrow, the same file: its time / ours", 2.5, 5.0)
    path = house.folder / "clean.csv"
    for _ in range(rounds):
        house.empty()
        line.ours.append(house.load(path)[0])
        house.empty()
        line.yardstick.append(house.load_by_dlt(python, path))
        assert house.rows_of_dlt() == rows
    return line


def upload(api: Api, path: Path) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    with path.open("rb") as body:
        receipt = api.another().post(body, _CSV, path.stat().st_size)  # an idle connection is not kept for long
    return time.perf_counter() - began, receipt


def measure_calls(house: House, calls: int, rounds: int) -> Line:
    """One row a call and one INSERT a commit, by eight callers at once: the time of so many of each."""
    line = Line(f"API, one row a call, {_CALLERS} callers", 0.06, 0.15)
    with house.web() as api:
        for _ in range(rounds):
            house.empty()
            line.yardstick.append(_at_once(lambda caller: _insert(house, caller, calls * _INSERTS)) / _INSERTS)
            line.ours.append(_at_once(lambda caller: _call(api.another(), caller, calls)))
    return line


def _at_once(work: Callable[[int], None]) -> float:
    threads = [threading.Thread(target=work, args=(caller,)) for caller in range(_CALLERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _rows(caller: int, calls: int) -> list[list[str]]:
    chance = random.Random(caller)
    return [make_row(caller * 1_000_000 + number, chance) for number in range(calls)]


def _insert(house: House, caller: int, calls: int) -> None:
    with house.connect() as connection, connection.cursor() as cursor:
        for row in _rows(caller, calls):
            cursor.execute(f"insert into yardstick values ({', '.join(['%s'] * len(row))})", row)
            connection.commit()


def _call(api: Api, caller: int, calls: int) -> None:
    for row in _rows(caller, calls):
        body = json.dumps(dict(zip(COLUMNS, row, strict=True))).encode()
        receipt = api.post(body, "application/json", len(body))
        assert receipt["accepted"] == 1, receipt


def measure_memory(house: House, rows: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """(rows, peak bytes of `loader load`) for files of each size."""
    for count in rows:
        path = house.folder / "large.csv"
        write_csv(path, count)
        house.empty()
        yield count, house.load(path)[2]
        path.unlink()


def measure_refused(house: House, rows: int) -> tuple[float, int]:
    """The seconds and peak bytes of a load of which every row is refused and kept."""
    path = house.folder / "refused.csv"
    write_refused(path, rows)
    house.empty()
    seconds, receipt, memory = house.load(path)
    assert receipt["rejected"] == rows, receipt
    return seconds, memory
