"""A watch with a dbt that only writes what a real one would write in the ledger."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import sqlalchemy as sa

from loader.remedy import Remedy
from loader.watch import Watch

MODELS = ["model.shop.fct_orders", "model.shop.dim_dates"]


@dataclass
class Dbt:
    """Answers what is due, and opens and ends builds, as it is told to."""

    engine: sa.Engine
    make: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    unit_tests: list[str] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    status: str = "published"
    fails: str | Exception = ""
    status_of_failure: str = "failed"
    meanwhile: Callable[[], object] = lambda: None
    has_macros: bool = True

    def run(self, *arguments: str, line: Callable[[str], None] = lambda _: None) -> None:
        if arguments[:2] == ("run-operation", "say_what_is_due"):
            if not self.has_macros:
                raise Remedy("dbt could not find a macro with the name 'say_what_is_due' in any package")
            found = {name: self.one(f"select {query}") for name, query in [
                ("upper_bound", "coalesce(max(seq), 0) from ledger.loads"),
                ("published", "max(upper_bound) from ledger.builds where published_at is not null"),
            ]}  # fmt: skip
            due = {**found, "make": self.make, "test": self.test, "all": 2}
            due |= {"alone": self.alone, "unit_tests": self.unit_tests}
            line(f"due: {json.dumps(due)}")
            return
        self.asked.append(list(arguments))
        self.meanwhile()
        if self.has_macros:
            given = json.loads(arguments[arguments.index("--vars") + 1]) if "--vars" in arguments else {}
            status = self.status_of_failure if self.fails else self.status
            build_id = self.one(
                "1 from (select 1) as one; insert into ledger.builds (upper_bound, status, published_at, message)"
                f" select least(coalesce(max(seq), 0), {given.get('upper_bound', 'null')}), '{status}',"
                f" case when '{status}' = 'published' then now() end, '{status}' from ledger.loads"
                " returning build_id",
                statement="select ",
            )
            line(f"Build {build_id}: staging up to load number {given.get('upper_bound')}, as of today.")
        if self.fails:
            raise self.fails if isinstance(self.fails, Exception) else Remedy(self.fails)
        if self.status == "published":
            self.make, self.test, self.alone = [], [], []

    def one(self, query: str, statement: str = "") -> Any:
        with self.engine.begin() as connection:
            return connection.exec_driver_sql(statement + query).scalar()

    def close(self) -> int:
        return 0


class Full(StringIO):
    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@dataclass
class Watched:
    watch: Watch
    dbt: Dbt
    out: StringIO
    slept: list[float]

    def load(self, touches: list[str] | None = None) -> None:
        self.dbt.one(
            "insert into ledger.loads (seq, source, table_name, door, principal, status)"
            " select coalesce(max(seq), 0) + 1, 'erp', 'orders', 'hand', 'ann', 'succeeded' from ledger.loads"
            " returning 1"
        )
        self.dbt.make += touches or []

    def asked(self) -> list[list[str]]:
        """What dbt was asked for since it was asked last."""
        self.watch.step()
        asked, self.dbt.asked = self.dbt.asked, []
        return asked
