"""Whatever happens to a table after a build was opened, the build sees it as it was.

A random walk of loads, deletes and undos. The walk ranks versions as the loader does (by
valid_from, then by arrival) and writes what it would write; at random moments a build is
opened, and from then on its view must show what the mirror showed at that moment. So must its
view of all versions: these the walk lists by itself, each with the moment at which a delete ended it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest

from tests.dbt.builds.shop import OPEN_LOAD, Shop

VIEW = "select order_id, status, _load_id, _row from staging.stg_erp__orders order by 1"
MIRROR = VIEW.replace("staging.stg_erp__orders", "staging_erp.orders")
VERSIONS = """
select order_id, extract(day from updated_at)::int, status, to_char(_ended_at, 'YYYY-MM-DD')
from staging.stg_erp__orders__versions order by 1, 2
"""
VERSIONS_MODEL = """
{{ config(materialized='view', schema='staging') }}
select * from {{ source_versions('erp', 'orders') }}
"""
KEYS = range(1, 5)
WAITED = """
insert into ledger.rejects (
    load_id, row, source, table_name, status, rule, message, faults, payload,
    first_load_id, first_row, resolved_load_id, resolved_row
)
values (%s, %s, 'erp', 'orders', 'resolved', 'relationships', '', '[]', '{}', %s, %s, %s, %s)
"""


@dataclass(frozen=True)
class Version:
    """A row that came, or (`status` None) a delete, which ranks behind what it deleted."""

    order_id: int
    day: int
    load_id: int
    row: int
    status: str | None
    first: tuple[int, int]  # load and row of its first arrival: of a row that had to wait, an earlier load

    @property
    def rank(self) -> tuple[int, int, int]:
        return (self.day, *self.first)

    @property
    def loaded_at(self) -> str:
        return str(date(2018, 1, 1) + timedelta(days=self.load_id))


@dataclass
class Walk:
    cursor: Any
    chance: random.Random
    known: list[Version] = field(default_factory=list)
    brought: dict[int, list[Version]] = field(default_factory=dict)
    undone: dict[int, list[Version]] = field(default_factory=dict)

    def current(self, key: int) -> Version | None:
        versions = [version for version in self.known if version.order_id == key]
        return max(versions, key=lambda version: version.rank, default=None)

    def versions(self) -> list[tuple[Any, ...]]:
        """Each version with its day and the moment of the first delete that ranks behind it, if one does."""
        listed = []
        for key in KEYS:
            entries = sorted((v for v in self.known if v.order_id == key), key=lambda version: version.rank)
            last_of_day = {version.day: version for version in entries if version.status}
            for version in last_of_day.values():
                deletes = entries[entries.index(version) :]
                ends = [d.loaded_at if d.day == version.day else f"2017-06-{d.day:02}" for d in deletes if not d.status]
                listed.append((key, version.day, version.status, min(ends, default=None)))
        return listed

    def step(self) -> None:
        self.cursor.execute(OPEN_LOAD.format("orders"))
        load_id = self.cursor.fetchone()[0]
        steps = [self.load, self.load_late, self.delete, self.undo, self.restore]
        self.chance.choices(steps, [5, 2, 3, 4, 2])[0](load_id)

    def load(self, load_id: int, waited_since: int | None = None) -> None:
        for row in range(1, self.chance.randint(1, 4) + 1):
            first = (load_id, row)
            if waited_since:
                first = (waited_since, 100 * load_id + row)
                self.cursor.execute(WAITED, (*first, *first, load_id, row))
            key, day = self.chance.choice(KEYS), self.chance.randint(1, 6)
            version = Version(key, day, load_id, row, f"load {load_id}", first)
            before = self.current(key)
            self.known.append(version)
            self.brought.setdefault(load_id, []).append(version)
            if self.current(key) == version:
                self.take_out(before, load_id, "replaced")
                self.put_in(version)
            else:
                self.note(version, load_id, "older")

    def load_late(self, load_id: int) -> None:
        """Rows that waited since an earlier load."""
        self.load(load_id, waited_since=self.chance.randint(1, load_id))

    def delete(self, load_id: int) -> None:
        """A delete with a moment of its own, or without: then it ranks behind all that is known."""
        key = self.chance.choice(KEYS)
        days = [version.day for version in self.known if version.order_id == key]
        day = self.chance.randint(1, 6) if self.chance.random() < 0.3 or not days else max(days)
        version = Version(key, day, load_id, 1, None, (load_id, 1))
        before = self.current(key)
        self.known.append(version)
        self.brought[load_id] = [version]
        self.note(version, load_id, "deleted")
        if self.current(key) == version:
            self.take_out(before, load_id, "deleted")

    def undo(self, load_id: int) -> None:
        """Takes back an earlier load that brought rows or deletes; what stood before stands again."""
        for version in self.take(self.brought, load_id):
            was = self.current(version.order_id)
            self.known.remove(version)
            self.undone.setdefault(load_id, []).append(version)
            self.note(version, load_id, "undone")
            if was == version:
                self.cursor.execute("delete from staging_erp.orders where order_id = %s", (version.order_id,))
                self.put_in(self.current(version.order_id))

    def restore(self, load_id: int) -> None:
        """Takes back an undo: its versions count again, and stand if they are the highest."""
        for version in self.take(self.undone, load_id):
            before = self.current(version.order_id)
            self.known.append(version)
            self.brought.setdefault(load_id, []).append(version)
            self.note(version, load_id, "restored")
            if self.current(version.order_id) == version:
                self.take_out(before, load_id, "replaced" if version.status else "deleted")
                self.put_in(version)

    def take(self, among: dict[int, list[Version]], load_id: int) -> list[Version]:
        """What some load did, which by that is not to be taken back again."""
        return among.pop(self.chance.choice(list(among) or [0]), [])

    def put_in(self, version: Version | None) -> None:
        if version is None or not version.status:
            return
        self.cursor.execute(
            "insert into staging_erp.orders (order_id, status, updated_at, _load_id, _row) values (%s, %s, %s, %s, %s)",
            (version.order_id, version.status, f"2017-06-{version.day:02}", version.load_id, version.row),
        )

    def take_out(self, version: Version | None, load_id: int, reason: str) -> None:
        if version and version.status:
            self.cursor.execute("delete from staging_erp.orders where order_id = %s", (version.order_id,))
            self.note(version, load_id, reason)

    def note(self, version: Version, load_id: int, reason: str) -> None:
        self.cursor.execute(
            "insert into staging_erp.orders__history (order_id, status, updated_at, _load_id, _row, _loaded_at,"
            " _written_load_id, _reason) values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                version.order_id, version.status, f"2017-06-{version.day:02}", version.load_id, version.row,
                version.loaded_at, load_id, reason,
            ),
        )  # fmt: skip

    def shown(self, query: str) -> list[tuple[Any, ...]]:
        self.cursor.execute(query)
        return list(self.cursor.fetchall())


@pytest.fixture
def walk(shop: Shop) -> Iterator[Walk]:
    shop.write("models/stg_erp__orders__versions.sql", VERSIONS_MODEL)
    assert shop.dbt("run", "--select", "stg_erp__orders", "stg_erp__orders__versions").success
    connection = shop.connect()
    with connection.cursor() as cursor:
        yield Walk(cursor, random.Random())
    connection.close()


def test_what_a_build_sees_never_changes(walk: Walk) -> None:
    differed = ended = came_back = 0
    for seed in range(15):
        walk.cursor.execute(
            "truncate ledger.loads, ledger.rejects, staging_erp.orders, staging_erp.orders__history"
            " restart identity cascade"
        )
        walk.known.clear()
        walk.brought.clear()
        walk.undone.clear()
        walk.chance.seed(seed)
        for _ in range(8):
            for _ in range(walk.chance.randint(1, 5)):
                walk.step()
            seen, versions = walk.shown(MIRROR), walk.versions()
            ended += any(end for *_, end in versions)
            came_back += bool({key for key, *_ in seen} & {key for key, *_, end in versions if end})
            walk.cursor.execute("insert into ledger.builds (upper_bound) select max(seq) from ledger.loads")
            for step in range(5):
                assert walk.shown(VIEW) == seen, f"seed {seed}, {step} loads after the build was opened"
                assert walk.shown(VERSIONS) == versions, f"seed {seed}, {step} loads after the build was opened"
                walk.step()
            differed += walk.shown(MIRROR) != seen
    assert min(differed, ended, came_back) > 60, (differed, ended, came_back)  # the walk does go somewhere
