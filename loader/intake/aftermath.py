"""What follows when versions are taken away or given back: mirrors in order again, nobody an orphan.

Of every key that was touched the highest version left stands. Rows that lose their parent by
that, or that would stand again without one, go to the ledger as waiting, by a load of door
``cascade`` for each table, and leave the mirror in turn; they come in again by themselves.

Temporary tables, for each table concerned, by its number: ``gone_<n>``, rows that left the mirror,
and ``fresh_<n>``, versions that stand again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from loader.contract.model import Contract, Relationship, Table
from loader.contract.types import literal
from loader.intake import lineage, parents
from loader.intake.pending import key_digest
from loader.intake.receipt import Receipt
from loader.intake.sql import equal, fetch, listed, run
from loader.ledger import loads
from loader.ledger.loads import Origin

_NAMED = 3


class CanNotStand(Exception):
    """A version that would stand again breaks a rule by now; the sentence says which."""


@dataclass(frozen=True)
class Bereft:
    """Rows that stood and lose their parent: how many of a table, and the first keys."""

    table: str
    rows: int
    keys: tuple[str, ...]
    #: They had been waiting for what the load brought that is undone: so they wait again.
    released: bool = False


class Aftermath:
    """The order of ``table`` and what depends on it, restored within the load ``load_id``.

    ``undoes``: the load that is undone, if one is.
    """

    def __init__(
        self, connection: Connection, contract: Contract, table: Table, load_id: int, undoes: int | None = None
    ) -> None:
        self.connection, self.contract, self.load_id, self.undoes = connection, contract, load_id, undoes
        self.tables = [contract.tables[key] for key in sorted(contract.descendants(table))]
        self._number = {table.id: number for number, table in enumerate(self.tables)}
        self._cascades: dict[str, tuple[int, int]] = {}  # by table: the load, and its rows so far
        self._bereft: list[Bereft] = []
        for each in self.tables:
            gone, fresh = self.gone(each), self.fresh(each)
            self._run(f"drop table if exists {gone}, {fresh}")
            self._run(f"create temp table {gone.removeprefix('pg_temp.')} (like {each.mirror}) on commit drop")
            self._run(
                f"create temp table {fresh.removeprefix('pg_temp.')} (_load_id bigint, _row bigint) on commit drop"
            )

    def gone(self, table: Table) -> str:
        """The relation of the rows that left the table's mirror."""
        return f"pg_temp.gone_{self._number[table.id]}"

    def fresh(self, table: Table) -> str:
        """The relation that names the versions that stand again."""
        return f"pg_temp.fresh_{self._number[table.id]}"

    def take_away(self, table: Table, reason: str, chosen: str, load_id: int | None = None) -> int:
        """Move rows ``m`` of the mirror for which ``chosen`` holds into the history; how many."""
        columns = f"{listed(table.column_names)}, _load_id, _row, _loaded_at"
        return self._run(
            f"with taken as (delete from {table.mirror} as m where {chosen} returning {columns}), "
            f"kept as (insert into {self.gone(table)} ({columns}) select {columns} from taken) "
            f"insert into {table.history} ({columns}, _written_load_id, _written_at, _reason) "
            f"select {columns}, {load_id or self.load_id}, transaction_timestamp(), {literal(reason)} from taken"
        )

    def settle_keys(self, table: Table, touched: str) -> None:
        """Let the highest version of each key in relation ``touched`` stand, of events the first, and no other."""
        columns = f"{listed(table.column_names)}, _load_id, _row, _loaded_at"
        key, way = listed(table.primary_key), "asc" if table.load == "events" else "desc"
        self._run("drop table if exists pg_temp.highest")
        self._run(
            "create temp table highest on commit drop as "
            f"select distinct on ({key}) * from ({lineage.versions(table, touched)}) as v "
            f"order by {key}, {', '.join(f'{part} {way}' for part in lineage.ranking(table))}"
        )
        for gone, reason in ((True, "deleted"), (False, "replaced")):
            self.take_away(
                table, reason,
                f"exists (select 1 from pg_temp.highest as h where {equal(table.primary_key, 'h', 'm')} "
                f"and h._gone = {gone} and (h._load_id, h._row) <> (m._load_id, m._row))",
            )  # fmt: skip
        self._run("delete from pg_temp.highest where _gone or _current")
        self._refuse_broken_rules(table)
        self._run(f"insert into {table.mirror} ({columns}) select {columns} from pg_temp.highest")
        self._run(f"insert into {self.fresh(table)} select _load_id, _row from pg_temp.highest")

    def follow(self) -> None:
        """Set to waiting whoever lacks a parent now, until nobody does; then ``unique`` must hold."""
        found = True
        while found:
            found = False
            for table in self.tables:
                if self._find_orphans(table):
                    self._set_waiting(table)
                    found = True
        for table in self.tables:
            self._refuse_clashes(table)

    def bereft(self) -> list[Bereft]:
        """Rows that stood before and wait now, by table."""
        merged: dict[tuple[str, bool], Bereft] = {}
        for part in self._bereft:
            before = merged.get((part.table, part.released))
            if before is not None:
                part = replace(part, rows=before.rows + part.rows, keys=(*before.keys, *part.keys)[:_NAMED])
            merged[part.table, part.released] = part
        return [part for part in merged.values() if part.rows]

    def close(self) -> list[Receipt]:
        """Enter what became of the rows set to waiting: a load for each table."""
        receipts = []
        for table in self.tables:
            if table.id in self._cascades:
                load_id, rows = self._cascades[table.id]
                receipt = Receipt(
                    load_id, table.source, table.name, "cascade", "succeeded",
                    received=rows, accepted=0, waiting=rows, rejected=0, duplicates=0,
                )  # fmt: skip
                loads.close_load(self.connection, receipt)
                receipts.append(loads.read_receipt(self.connection, load_id) or receipt)
        return receipts

    def renewed(self) -> list[tuple[Table, str]]:
        """Tables in which versions stand again, and SQL for these, rows ``p``: others may have waited for them."""
        return [
            (table, f"(p._load_id, p._row) in (select _load_id, _row from {self.fresh(table)})")
            for table in self.tables
            if self._holds_any(self.fresh(table))
        ]

    # -- orphans -------------------------------------------------------------

    def _find_orphans(self, table: Table) -> bool:
        """``orphan``: rows of the mirror that lack a parent, once for each relationship."""
        self._run("drop table if exists pg_temp.orphan")
        self._run("create temp table orphan (_load_id bigint, _row bigint, place integer) on commit drop")
        found = 0
        for place, relationship in enumerate(table.relationships):
            if relationship.severity != "error":
                continue
            suspects = []  # apart from each other, so that each finds its index
            if self._holds_any(self.fresh(table)):
                suspects.append(f"(c._load_id, c._row) in (select _load_id, _row from {self.fresh(table)})")
            parent = self.contract.tables[relationship.parent]
            if parent.id in self._number and self._holds_any(self.gone(parent)):
                suspects.append(lost(relationship, self.gone(parent)))
            lacks = parents.orphan(self.contract, table, relationship, "c", within_load=False)
            rows = " union ".join(
                f"select c._load_id, c._row, {place} from {table.mirror} as c where {suspect} and {lacks}"
                for suspect in suspects
            )
            found += self._run(f"insert into pg_temp.orphan {rows}") if rows else 0
        return bool(found)

    def _set_waiting(self, table: Table) -> None:
        """The rows in ``orphan`` go to the ledger; what they had replaced may stand again."""
        load_id, before = self._cascades.get(table.id) or (self._open_cascade(table), 0)
        self._run("drop table if exists pg_temp.moved")
        moved = self._run(
            "create temp table moved on commit drop as "
            f"select c.*, {before} + row_number() over (order by o.first_load_id, o.first_row) as _number, "
            "o.first_load_id as _first_load_id, o.first_row as _first_row, o.payload as _payload, "
            f"(c._load_id, c._row) in (select _load_id, _row from {self.fresh(table)}) as _fresh "
            f"from {table.mirror} as c inner join ("
            "select f._load_id, f._row, r.payload, coalesce(r.first_load_id, f._load_id) as first_load_id, "
            "coalesce(r.first_row, f._row) as first_row from (select distinct _load_id, _row from pg_temp.orphan) as f "
            "left join ledger.rejects as r on r.resolved_load_id = f._load_id and r.resolved_row = f._row"
            ") as o on o._load_id = c._load_id and o._row = c._row"
        )
        self._cascades[table.id] = load_id, before + moved
        self._note_bereft(table)
        faults = " union all ".join(
            f"select c._number, o.place, {parents.missing(relationship)} as fault, "
            f"{parents.awaits(self.contract, table, relationship, 'c')} as awaits from pg_temp.moved as c "
            f"inner join pg_temp.orphan as o on o._load_id = c._load_id and o._row = c._row and o.place = {place}"
            for place, relationship in enumerate(table.relationships)
            if relationship.severity == "error"
        )
        texts = ", ".join(f"{column.type.written(f'm.{column.sql}')} as {column.sql}" for column in table.columns)
        self._run(
            "insert into ledger.rejects (load_id, row, source, table_name, status, rule, column_name, message, "
            "faults, payload, first_load_id, first_row, awaits, key_digest) "
            f"select {load_id}, m._number, {literal(table.source)}, {literal(table.name)}, 'waiting', "
            "f.faults -> 0 ->> 'rule', f.faults -> 0 ->> 'column', f.faults -> 0 ->> 'message', f.faults, "
            f"coalesce(m._payload, (select to_jsonb(t) from (select {texts}) as t)), m._first_load_id, m._first_row, "
            f"f.awaits, {key_digest(table, lambda column: f'm.{column.sql}')} from pg_temp.moved as m inner join "
            "(select _number, jsonb_agg(fault order by place) as faults, "
            "(array_agg(awaits order by place) filter (where awaits is not null))[1] as awaits "
            f"from ({faults}) as missing group by _number) as f "
            "on f._number = m._number order by m._number"
        )
        these = "(m._load_id, m._row) in (select _load_id, _row from pg_temp.moved)"
        self.take_away(table, "undone", these, load_id)
        self._run(f"delete from {self.fresh(table)} as m where {these}")
        self.settle_keys(table, "pg_temp.moved")

    def _open_cascade(self, table: Table) -> int:
        origin = Origin("cascade", "gatehouse", cause_load_id=self.load_id)
        return loads.open_load(self.connection, table, origin, "quarantine", self.contract.fingerprint)

    def _note_bereft(self, table: Table) -> None:
        """Count the rows in ``moved`` that had stood until now."""
        by_it = (
            f"m._load_id in (select load_id from ledger.loads where door = 'release' and cause_load_id = {self.undoes})"
            if self.undoes is not None
            else "false"
        )
        found = self._fetch(
            f"select {by_it}, count(*), (array_agg({key_text(table, 'm')} order by _number))[:{_NAMED}] "
            "from pg_temp.moved as m where not _fresh group by 1 order by 1"
        )
        self._bereft += [Bereft(table.id, rows, tuple(keys), released) for released, rows, keys in found]

    # -- rules on what stands again ------------------------------------------

    def _refuse_broken_rules(self, table: Table) -> None:
        for rule in table.errors():
            broken = self._fetch(
                f"select {key_text(table, 'h')} from pg_temp.highest as h where not {rule.stands} limit 1"
            )
            if broken:
                raise CanNotStand(
                    f"{table.id} {broken[0][0]} would stand again as it was, and {rule.reason} ({rule.name})"
                )

    def _refuse_clashes(self, table: Table) -> None:
        for rule in table.unique_rules:
            if rule.severity != "error":
                continue
            judged = f"({rule.where}) is true" if rule.where else "true"
            columns = listed(rule.columns)
            again = f"(_load_id, _row) in (select _load_id, _row from {self.fresh(table)})"
            found = self._fetch(
                f"select array_agg({key_text(table, 'm')} order by _load_id, _row) from {table.mirror} as m "
                f"where {judged} and ({columns}) in (select {columns} from {table.mirror} where {judged} and {again}) "
                f"group by {columns} having count(*) > 1 limit 1"
            )
            if found:
                raise CanNotStand(
                    f"{table.id} would have two rows with one value of {', '.join(rule.columns)}, which must be "
                    f"unique: {' and '.join(found[0][0][:2])}"
                )

    def _holds_any(self, relation: str) -> bool:
        return bool(self._fetch(f"select 1 from {relation} limit 1"))

    def _run(self, statement: str) -> int:
        return run(self.connection, statement)

    def _fetch(self, statement: str) -> list[tuple[Any, ...]]:
        return fetch(self.connection, statement)


def lost(relationship: Relationship, gone: str) -> str:
    """SQL that is true of rows ``c`` whose parent is among the rows of relation ``gone``."""
    return f"({listed(relationship.columns, 'c')}) in (select {listed(relationship.parent_columns)} from {gone})"


def key_text(table: Table, alias: str) -> str:
    """SQL for a row's key as people read it: ``7`` or ``north, 2``; what tells who someone is stays covered."""
    columns = [table.column(name) for name in table.primary_key]
    shown = (
        literal("•••") + "::text" if column.pii == "direct" else f"{alias}.{column.sql}::text" for column in columns
    )
    return " || ', ' || ".join(shown)
