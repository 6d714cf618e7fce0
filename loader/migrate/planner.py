"""Makes the plan: sets each table that should stand beside what does, and says what it takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from loader.contract.faults import Fault
from loader.contract.model import HISTORY_SUFFIX, Contract, Table
from loader.contract.types import identifier
from loader.ledger.models import SCHEMA as LEDGER
from loader.ledger.upgrade import ledger_step
from loader.migrate.catalog import Catalog, read_catalog, standing_histories
from loader.migrate.compare import compare
from loader.migrate.ddl import RelationSpec, create_statements, relations, schemas
from loader.migrate.indexes import name_fault
from loader.migrate.neighbours import other_owners
from loader.migrate.plan import Change, Lock, Plan
from loader.migrate.sql import run
from loader.migrate.verify import verify_rules
from loader.migrate.views import dependent_views

#: Entries of a history that say that a row of the source changed, which events never do.
_CHANGED = ("replaced", "older")


def make_plan(connection: sa.Connection, contract: Contract) -> Plan:
    """Reads the catalog and says what is to be done; changes nothing."""
    ledger = ledger_step(connection)
    catalog = read_catalog(connection, schemas(contract))
    refusals = [fault for table in contract for fault in verify_rules(connection, table)]
    refusals += _clashes(contract)
    histories = standing_histories(connection)
    refusals += other_owners(connection, contract, catalog, histories)
    warnings = list(_gone_tables(histories, contract))
    made = [
        Change(schema, ("new schema",), (f"create schema {identifier(schema)}",))
        for schema in schemas(contract)
        if schema not in catalog.schemas
    ]
    changes: list[Change] = []
    altered: list[tuple[int, int]] = []
    for table in contract:
        planner = _TablePlanner(connection, table, catalog)
        if change := planner.plan(relations(table, contract)):
            changes.append(change)
        refusals += planner.faults
        warnings += planner.warnings
        altered += planner.altered
    down, up, obstacles = _views(connection, contract, catalog, altered)
    return Plan(
        ledger,
        (*made, *down, *changes, *up),
        tuple(_distinct([*refusals, *obstacles])),
        tuple(dict.fromkeys(warnings)),
        tuple(_ledger_locks(connection)) if ledger.is_needed else (),
    )


def _ledger_locks(connection: sa.Connection) -> Iterator[Lock]:
    """All of a standing ledger: a load writes there too, and would meet us half-way."""
    for name in sa.inspect(connection).get_table_names(schema=LEDGER):
        yield Lock.on_table(f"{identifier(LEDGER)}.{identifier(name)}", "access exclusive")


class _TablePlanner:
    """One source table: its mirror and its history, said as one change."""

    def __init__(self, connection: sa.Connection, table: Table, catalog: Catalog) -> None:
        self.connection = connection
        self.table = table
        self.catalog = catalog
        self.faults: list[Fault] = []
        self.warnings: list[str] = []
        self.altered: list[tuple[int, int]] = []

    def plan(self, wanted: tuple[RelationSpec, RelationSpec]) -> Change | None:
        words: list[str] = []
        statements: list[str] = []
        locks: list[Lock] = []
        for relation in wanted:
            standing = self.catalog.relations.get((relation.schema, relation.name))
            if standing is None:
                words.append("new table" if relation.primary_key else "new history")
                statements += create_statements(relation)
                names = (name_fault(self.table, relation, columns, self.catalog) for columns in relation.indexes)
                self.faults += [fault for fault in names if fault]
                continue
            found = compare(self.connection, self.table, relation, standing, self.catalog)
            own = [f"alter table {relation.sql}\n    " + ",\n    ".join(found.actions)] if found.actions else []
            own += found.statements
            if own:
                locks.append(Lock.on_table(relation.sql, _lock_mode(own)))
            statements += own
            words += found.words
            self.faults += found.faults
            self.warnings += found.warnings
            self.altered += [(standing.oid, number) for number in found.widened]
        self._load_kind(wanted[1])
        if not statements:
            return None
        if words == ["new table", "new history"]:
            words = ["new table with its history"]
        return Change(self.table.id, tuple(dict.fromkeys(words)), tuple(statements), tuple(locks))

    def _load_kind(self, history: RelationSpec) -> None:
        if self.table.load != "events":
            return
        standing = self.catalog.relations.get((history.schema, history.name))
        if standing is None or "_reason" not in standing.columns:
            return
        reasons = ", ".join(f"'{reason}'" for reason in _CHANGED)
        query = f"select count(*) from {history.sql} where _reason in ({reasons})"
        if count := run(self.connection, query).scalar():
            self.faults.append(
                Fault(
                    f"config.meta.load is events, and the history holds {count} versions that later rows "
                    "replaced: events never change",
                    "keep `load: versions`, or load the events into a table of another name",
                    self.table.path,
                    self.table.line,
                    self.table.id,
                )
            )


def _lock_mode(statements: Iterable[str]) -> str:
    """The strongest lock that the statements take on the table they are about."""
    kinds = {statement.split(" ", 1)[0] for statement in statements}
    if kinds & {"alter", "drop"}:
        return "access exclusive"
    return "share" if "create" in kinds else "share update exclusive"


def _clashes(contract: Contract) -> Iterator[Fault]:
    """Relations that two tables would share, or that would lie among the ledger's."""
    owners: dict[tuple[str, str], Table] = {}
    for table in contract:
        if table.schema == LEDGER or table.schema.startswith("pg_"):
            yield Fault(
                f"the schema {table.schema} is not the sources' to use",
                "give the source another `schema:`, such as staging_" + table.source,
                table.path, table.line, table.id,
            )  # fmt: skip
        for relation in relations(table, contract):
            other = owners.setdefault((relation.schema, relation.name), table)
            if other is not table:
                yield Fault(
                    f"{relation.schema}.{relation.name} would be a relation of {other.id} too",
                    "give one of the two another `identifier:`",
                    table.path, table.line, table.id,
                )  # fmt: skip


def _gone_tables(histories: Iterable[tuple[str, str]], contract: Contract) -> Iterator[str]:
    expected = {(r.schema, r.name) for table in contract for r in relations(table, contract)}
    for schema, name in histories:
        if (schema, name) not in expected:
            mirror = name.removesuffix(HISTORY_SUFFIX)
            yield (
                f"{schema}.{mirror} is no longer in the contract; it and its history are left standing with their data"
            )


def _views(
    connection: sa.Connection, contract: Contract, catalog: Catalog, altered: list[tuple[int, int]]
) -> tuple[list[Change], list[Change], list[Fault]]:
    """Views on altered columns: how they are taken down and put back, and what hinders."""
    views, obstacles = dependent_views(connection, altered)
    down = [Change(f"view {view.name}", (), (view.drop,), (view.lock,)) for view in reversed(views)]
    up = [Change(f"view {view.name}", ("put back on the new types",), view.restore) for view in views]
    named = {relation.oid: key for key, relation in catalog.relations.items()}
    owners = {(r.schema, r.name): table for table in contract for r in relations(table, contract)}
    faults = []
    for obstacle in obstacles:
        tables = {owners[named[oid]].id: owners[named[oid]] for oid, _ in altered}
        table = next(iter(tables.values()))
        faults.append(Fault(obstacle.problem, obstacle.remedy, table.path, table.line, ", ".join(tables)))
    return down, up, faults


def _distinct(faults: Iterable[Fault]) -> list[Fault]:
    """Mirror and history mostly say the same: each fault once."""
    seen: dict[tuple[str, str, str], Fault] = {}
    for fault in faults:
        seen.setdefault((fault.table, fault.column, fault.problem), fault)
    return list(seen.values())
