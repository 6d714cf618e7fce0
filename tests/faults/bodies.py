"""Bodies to be killed with, one for each way that a load may take, and what each comes to.

Every body has ten thousand keys of its own, so that what it left can be told from all else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from loader.intake import landing
from loader.intake.decode import FEW

KEYS = 10_000
LARGE = landing.BULK + 1000
SOURCES = """
version: 2
sources:
  - name: lab
    schema: staging_lab
    loader: gatehouse
    tables:
      - name: shops
        config: {meta: {primary_key: [id]}}
        columns:
          - {name: id, data_type: integer}
      - name: stalls
        config: {meta: {primary_key: [id], valid_from: updated_at}}
        columns:
          - {name: id, data_type: integer}
          - name: shop
            data_type: integer
            data_tests: [{relationships: {arguments: {to: "source('lab', 'shops')", field: id}}}]
          - {name: label, data_type: text, data_tests: [accepted_values: {arguments: {values: [red, blue]}}]}
          - {name: updated_at, data_type: timestamptz, constraints: [{type: not_null}], data_tests: [not_null]}
"""
#: received, accepted, waiting, rejected, duplicates
Counts = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Body:
    """CSV for `table`; `counts` is what its load comes to, and `released` how many rows it lets in besides."""

    table: str
    number: int
    rows: tuple[str, ...]
    counts: Counts
    released: int = 0

    @property
    def content(self) -> bytes:
        return "\n".join(["id,shop,label,updated_at" if self.table == "stalls" else "id", *self.rows, ""]).encode()

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def key(self) -> str:
        return f"{self.table} {self.number}"


def stall(key: int, shop: object = 1, label: str = "red") -> str:
    return f"{key},{shop},{label},2024-01-01T00:00:00Z"


def plain(number: int) -> Body:
    """Few plain rows: one statement."""
    count = FEW // 2
    return Body("stalls", number, tuple(stall(number * KEYS + i) for i in range(count)), (count, count, 0, 0, 0))


def mixed(number: int) -> Body:
    """Some hundred rows with a fault, a row that waits and a repeated one: by the landing."""
    return _with_faults(number, 300, 1, repeats=True)


def large(number: int) -> Body:
    """Rows enough to be copied straight into the table; those with faults are taken out again."""
    return _with_faults(number, LARGE, 20, repeats=False)


def large_repeating(number: int) -> Body:
    """A large body whose pieces can't be copied, because a key comes twice."""
    return _with_faults(number, LARGE, 20, repeats=True)


def _with_faults(number: int, good: int, each: int, *, repeats: bool) -> Body:
    base = number * KEYS
    rows = [stall(base + i) for i in range(good)]
    again = rows[:each] if repeats else []
    bad = [stall(base + good + i, "x") for i in range(each)]
    waiting = [stall(base + good + each + i, -1 - number) for i in range(each)]
    every = [*rows[: good // 2], *bad, *waiting, *rows[good // 2 :], *again]
    return Body("stalls", number, tuple(every), (len(every), good, each, each, len(again)))


def parents(number: int) -> Body:
    """Shops for which stalls wait, see :func:`children`."""
    return Body("shops", number, tuple(str(number * KEYS + i) for i in range(60)), (60, 60, 0, 0, 0), released=3)


def children(number: int) -> Body:
    """The stalls that wait for :func:`parents` of the same number."""
    rows = tuple(stall(number * KEYS + i, number * KEYS + i) for i in range(3))
    return Body("stalls", number, rows, (3, 0, 3, 0, 0))


WAYS = {made.__name__: made for made in (plain, mixed, large, large_repeating, parents)}
