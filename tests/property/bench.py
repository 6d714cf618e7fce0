"""Where door and dbt are held against each other: rows go through the door, dbt's queries judge.

Every example runs in one transaction that is taken back at its end, on a copy of the project's
database. Rows are forced past the door into `forced`, a schema of tables like the mirrors but
without key or constraint, which dbt's queries are then pointed at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from loader.contract.model import Contract, Table
from loader.contract.types import identifier
from loader.intake.decode import Said
from loader.intake.load import load_stream
from loader.intake.receipt import Receipt
from loader.ledger.loads import Origin
from tests.property.csv_text import csv_of
from tests.property.projects import DbtTest, Project, Row
from tests.property.reading import Kind, Unclear, read, stored, written


@dataclass(frozen=True)
class Kept:
    """A row that was not let in, as the ledger keeps it."""

    row: int
    status: str
    faults: list[dict[str, Any]]
    payload: Row

    @property
    def mistyped(self) -> set[str]:
        return {fault["column"] for fault in self.faults if fault["rule"] == "data_type"}


class OneTransaction:
    """Stands for an engine whose every transaction is a savepoint of one that stays open."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        # what a failed load leaves open is taken back with all else at the example's end
        point = self.connection.begin_nested()
        yield self.connection
        point.commit()


class Bench:
    """One example: a door, a database, and what dbt finds in it.

    `door` is the contract that the door judges by: the project's own, unless a test wants to see
    another noticed. All else is asked of the project's own.
    """

    def __init__(self, project: Project, connection: Connection, database: str, door: Contract) -> None:
        self.project, self.connection, self.door = project, connection, door
        self.database, self.compiled_in = database, project.settings.database

    def table(self, table_id: str) -> Table:
        return self.project.contract.find(table_id)

    def load(self, table_id: str, rows: Sequence[Row]) -> Receipt:
        table = self.door.find(table_id)
        stream = csv_of(rows, list(table.column_names))
        engine: Any = OneTransaction(self.connection)
        # the sign is said: found out, a comma would be one wherever no value of the body has a point
        return load_stream(
            engine, self.door, table, stream, "csv", Origin("api", "tests"), said=Said.of(decimal="point")
        )

    def fetch(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def failures(self, test: DbtTest, forced: Sequence[str] = ()) -> int:
        """How many rows fail dbt's test; `forced` are tables taken from the schema of that name."""
        # dbt's tests on values count rows by value; all others give one row a failure
        return int(
            self.fetch(f"select coalesce(sum({counted(test)}), 0) from ({self._query(test, forced)}\n) as f")[0][0]
        )

    def returned(self, test: DbtTest) -> int:
        """How many rows dbt's test gives: what dbt itself calls its failures."""
        return int(self.fetch(f"select count(*) from ({self._query(test, ())}\n) as f")[0][0])

    def failing_rows(self, test: DbtTest, forced: Sequence[str]) -> list[int] | int:
        """The forced rows that fail dbt's test, by their numbers; only how many, where dbt shows no more."""
        if test.name in ("not_null", "accepted_values", "relationships"):
            return self.failures(test, forced)
        found = self.fetch(f"select _row from ({self._query(test, forced)}\n) as f where _load_id = 0 order by _row")
        return [row for (row,) in found]

    def _query(self, test: DbtTest, forced: Sequence[str]) -> str:
        sql = test.on(self.database, self.compiled_in)
        for table_id in forced:
            table = self.table(table_id)
            mirror = f'"{self.database}".{identifier(table.schema)}.{identifier(table.identifier)}'
            sql = sql.replace(mirror, f'"{self.database}".{forced_name(table)}')
        return sql

    def kept(self, receipt: Receipt) -> list[Kept]:
        found = self.fetch(
            "select row, status, faults, payload from ledger.rejects where load_id = %s order by row", receipt.load_id
        )
        return [Kept(*row) for row in found]

    def brought(self, table_id: str, load_id: int) -> dict[int, dict[str, Any]]:
        """The rows that a load brought in, by their number: mirror and history, read by Python."""
        table, kinds = self.table(table_id), self.project.columns[table_id]
        texts = ", ".join(
            f"to_json({identifier(name)})::text" if kind.family == "array" else f"{identifier(name)}::text"
            for name, kind in kinds.items()
        )
        found = self.fetch(
            f"select _row, {texts} from {table.mirror} where _load_id = %s "
            f"union all select _row, {texts} from {table.history} as h where _load_id = %s and _reason <> 'undone'",
            load_id, load_id,
        )  # fmt: skip
        rows: dict[int, dict[str, Any]] = {}
        for number, *values in found:
            assert number not in rows, f"row {number} of load {load_id} stands twice"
            rows[number] = {n: stored(v, k) for (n, k), v in zip(kinds.items(), values, strict=True)}
        return rows

    def standing(self, table_id: str) -> list[dict[str, Any]]:
        """Every version there is of the table, read by Python."""
        table = self.table(table_id)
        loads = self.fetch(f"select distinct _load_id from (table {table.mirror}) as m union "
                           f"select distinct _load_id from {table.history}")  # fmt: skip
        return [row for (load_id,) in loads for row in self.brought(table_id, load_id).values()]

    def says(self, table_id: str, row: Row) -> dict[str, Any]:
        """The row as Python reads it; :class:`Unclear` stands where a column says no one value."""
        return {name: reading(row.get(name), kind) for name, kind in self.project.columns[table_id].items()}

    def postgres_takes(self, text: str, kind: Kind) -> bool:
        return bool(self.fetch("select pg_input_is_valid(%s, %s)", text, kind.data_type)[0][0])

    @contextmanager
    def forced(self, table_id: str, rows: dict[int, Row], in_place: bool = False) -> Iterator[None]:
        """`rows`, by their numbers, stand in the table's forced copy beside what stands in its mirror.

        `in_place`: each is the current one of its key.
        """
        table, kinds = self.table(table_id), self.project.columns[table_id]
        names = ", ".join(identifier(name) for name in kinds)
        casts = ", ".join(f"%s::{kind.data_type}" for kind in kinds.values())
        copy = forced_name(table)
        with self.connection.begin_nested() as point:
            self.fetch(f"insert into {copy} select * from {table.mirror}")
            for number, row in rows.items():
                values = [written(reading(row.get(name), kind), row.get(name), kind) for name, kind in kinds.items()]
                if in_place:
                    same_key = " and ".join(f"old.{identifier(k)} = new.{identifier(k)}" for k in table.primary_key)
                    new = f"(values ({casts})) as new ({names})"
                    self.fetch(f"delete from {copy} as old using {new} where {same_key}", *values)
                self.fetch(
                    f"insert into {copy} ({names}, _load_id, _row, _loaded_at) values ({casts}, 0, %s, now())",
                    *values, number,
                )  # fmt: skip
            yield
            point.rollback()


def reading(text: str | None, kind: Kind) -> Any:
    """What the text says, or the :class:`Unclear` that says why it says nothing."""
    if text is None:
        return None
    try:
        return read(text, kind)
    except Unclear as unclear:
        return unclear


def counted(test: DbtTest) -> str:
    if test.name == "accepted_values":
        return "n_records"
    return "n_records - 1" if test.name in ("unique", "unique_together") else "1"


def forced_name(table: Table) -> str:
    return f"forced.{identifier(table.id)}"


def make_forced(engine: Engine, contract: Contract) -> None:
    """The schema `forced`: each mirror's columns, and nothing that could refuse a row."""
    with engine.begin() as connection:
        connection.execute(sa.text("create schema forced"))
        for table in contract:
            connection.execute(
                sa.text(f"create table {forced_name(table)} as select * from {table.mirror} with no data")
            )


@contextmanager
def bench(project: Project, engine: Engine, door: Contract | None = None) -> Iterator[Bench]:
    """A bench whose every effect is taken back; `door` puts another door before the same dbt."""
    with engine.connect() as connection:
        transaction = connection.begin()
        database = connection.execute(sa.text("select current_database()")).scalar_one()
        try:
            yield Bench(project, connection, str(database), door or project.contract)
        finally:
            transaction.rollback()


def changed(contract: Contract, table_id: str, **changes: Any) -> Contract:
    """The contract with one table changed: a door that judges by other rules than dbt."""
    table = replace(contract.find(table_id), **changes)
    return replace(contract, tables={**contract.tables, (table.source, table.name): table})
