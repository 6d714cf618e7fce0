"""One relation as it should stand against the same as it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import sqlalchemy as sa

from loader.contract.faults import Fault
from loader.contract.model import Table
from loader.contract.types import identifier, parse_type
from loader.migrate.catalog import KINDS, Catalog, StandingRelation
from loader.migrate.ddl import (
    ColumnSpec,
    RelationSpec,
    check_name,
    comment_on,
    primary_key_clause,
)
from loader.migrate.indexes import compare_indexes
from loader.migrate.sql import run
from loader.migrate.widening import standing_type, widens


@dataclass
class Comparison:
    """What it takes: ``actions`` of one ``alter table``, then statements of their own.

    ``words`` say it for people; ``widened`` are the attribute numbers whose type changes.
    """

    words: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    widened: list[int] = field(default_factory=list)


def compare(
    connection: sa.Connection,
    table: Table,
    wanted: RelationSpec,
    standing: StandingRelation,
    catalog: Catalog,
) -> Comparison:
    """The difference for one relation of ``table``; reads rows only to judge a NOT NULL."""
    return _Comparer(connection, table, wanted, standing, catalog).compare()


class _Comparer:
    def __init__(
        self,
        connection: sa.Connection,
        table: Table,
        wanted: RelationSpec,
        standing: StandingRelation,
        catalog: Catalog,
    ) -> None:
        self.connection = connection
        self.table = table
        self.wanted = wanted
        self.standing = standing
        self.catalog = catalog
        self.found = Comparison()

    def compare(self) -> Comparison:
        if self._is_foreign():
            return self.found
        self._gone_columns()
        for column in self.wanted.columns:
            if column.name in self.standing.columns:
                self._type(column)
                self._required(column)
                self._default(column)
            else:
                self._added(column)
        self._primary_key()
        self._checks()
        indexes = compare_indexes(self.table, self.wanted, self.standing, self.catalog)
        self.found.words += indexes.words
        self.found.statements += indexes.statements
        self.found.faults += indexes.faults
        self._comments()
        found = self.found
        if (found.actions or found.statements) and not self.standing.is_ours:
            self._fault(
                f"{self._name} belongs to {self.standing.owner}, and {self.catalog.user} may not alter it",
                f"migrate as {self.standing.owner} (PGUSER), or: grant {self.standing.owner} to "
                f"{identifier(self.catalog.user)}",
            )
        return found

    @property
    def _name(self) -> str:
        return f"{self.standing.schema}.{self.standing.name}"

    def _fault(self, problem: str, remedy: str, column: str = "") -> None:
        line = self.table.line
        if column in self.table.column_names:
            line = self.table.column(column).line or line
        self.found.faults.append(Fault(problem, remedy, self.table.path, line, self.table.id, column))

    def _is_empty(self) -> bool:
        return not run(self.connection, f"select exists (select from {self.standing.sql})").scalar()

    def _is_foreign(self) -> bool:
        """Something of that name stands that the loader did not make."""
        kind = self.standing.kind
        missing = [c.name for c in self.wanted.columns if not c.of_source and c.name not in self.standing.columns]
        if kind in ("r", "p") and not missing:
            return False
        problem = f"{self._name} stands already and is a {KINDS[kind]}"
        if kind in ("r", "p"):
            problem = f"{self._name} stands already without {', '.join(missing)}: the loader did not make it"
        self._fault(
            problem,
            f"rename it (alter {KINDS.get(kind, 'table').replace('partitioned ', '')} {self.standing.sql} "
            "rename to …), or give the source another `schema:`",
        )
        return True

    # -- columns -------------------------------------------------------------

    def _gone_columns(self) -> None:
        new = [c for c in self.wanted.columns if c.name not in self.standing.columns]
        for column in self.standing.columns.values():
            if any(c.name == column.name for c in self.wanted.columns):
                continue
            pair = [f"{self.table.mirror}", f"{self.table.history}"]
            name = identifier(column.name)
            stands = standing_type(column.type)
            twins = [c for c in new if stands is not None and parse_type(c.type).sql == stands.sql]
            renamed = ""
            if twins:
                rename = "; ".join(
                    f"alter table {one} rename column {name} to {identifier(twins[0].name)}" for one in pair
                )
                renamed = f" If it is now called {twins[0].name}, rename it first, which keeps its data: {rename}."
            drop = "; ".join(f"alter table {one} drop column {name}" for one in pair)
            self._fault(
                "the column stands in the database with its data, and is gone from the contract",
                f"put it back under `columns:`.{renamed} If its data may go for good: {drop}",
                column.name,
            )

    def _added(self, column: ColumnSpec) -> None:
        if column.name in self.wanted.primary_key:
            return  # the key's own refusal says it
        if column.required and not self._is_empty():
            self._fault(
                "the column is new and required, and the table holds rows that have no value for it",
                "add it as optional (no not_null), migrate, load the rows again with their values, and "
                "only then require it",
                column.name,
            )
            return
        self.found.words.append(f"new column {column.name} {column.type}")
        if column.required:
            self.found.words.append(f"column {column.name} may not be empty")
        self.found.actions.append(f"add column {column.definition}")

    def _type(self, column: ColumnSpec) -> None:
        now = self.standing.columns[column.name]
        stands, wanted = standing_type(now.type), parse_type(column.type)
        if stands is not None and stands.sql == wanted.sql:
            return
        if stands is not None and widens(stands, wanted):
            self.found.words.append(f"column {column.name} widened from {stands.sql} to {wanted.sql}")
            self.found.actions.append(f"alter column {identifier(column.name)} type {wanted.sql}")
            self.found.widened.append(now.number)
            return
        name = stands.sql if stands else now.type
        loses = stands is not None and widens(wanted, stands)
        remedy = f"keep `data_type: {name}`, or add a column of another name with the new type"
        if self._is_empty():
            remedy += f"; if neither it nor {self.table.history} holds rows you may drop both, and migrate"
        self._fault(
            f"the column is {name} in the database and {wanted.sql} in the contract, "
            + ("which holds less" if loses else "and not every value can be carried over unchanged"),
            remedy,
            column.name,
        )

    def _required(self, column: ColumnSpec) -> None:
        now = self.standing.columns[column.name]
        name = identifier(column.name)
        if now.required and not column.required:
            self.found.words.append(f"column {column.name} may be empty")
            self.found.actions.append(f"alter column {name} drop not null")
        if now.required or not column.required:
            return
        empty = run(self.connection, f"select count(*) from {self.standing.sql} where {name} is null").scalar()
        if empty:
            self._fault(
                f"the column is required, and {empty} {'row has' if empty == 1 else 'rows have'} no value in it",
                f"load those rows again with a value (select * from {self.standing.sql} where {name} is null), "
                "or leave the column optional",
                column.name,
            )
            return
        self._warn_of_history(column)
        self.found.words.append(f"column {column.name} may not be empty")
        self.found.actions.append(f"alter column {name} set not null")

    def _warn_of_history(self, column: ColumnSpec) -> None:
        history = self.catalog.relations.get((self.table.schema, self.table.history_name))
        if history is None or column.name not in history.columns:
            return
        query = f"select count(*) from {history.sql} where {identifier(column.name)} is null"
        if count := run(self.connection, query).scalar():
            self.found.warnings.append(
                f"{self.table.id}: {count} versions in the history have no {column.name}; "
                "an undo that would bring one of them back will be refused"
            )

    def _default(self, column: ColumnSpec) -> None:
        """Only the loader's own columns have defaults of ours."""
        if not column.of_source and self.standing.columns[column.name].default != column.default:
            name = identifier(column.name)
            self.found.words.append(f"column {column.name} has its default again")
            self.found.actions.append(
                f"alter column {name} set default {column.default}"
                if column.default
                else f"alter column {name} drop default"
            )

    # -- key, checks, comments --------------------------------------

    def _primary_key(self) -> None:
        stands, wanted = self.standing.primary_key, self.wanted.primary_key
        if stands == wanted:
            return
        if set(stands) == set(wanted):
            self.found.words.append(f"primary key in the order {', '.join(wanted)}")
            self.found.actions += [
                f"drop constraint {identifier(self.standing.primary_key_name)}",
                f"add {primary_key_clause(self.wanted)}",
            ]
            return
        self._fault(
            f"primary_key is {', '.join(wanted) or 'none'} in the contract and {', '.join(stands) or 'none'} in "
            "the database: rows that are one record by one key are several by the other",
            f"keep `primary_key: [{', '.join(stands)}]`, or load the rows under the new key into a table of "
            "another name" if stands else
            f"put the key back: alter table {self.standing.sql} add {primary_key_clause(self.wanted)}",
        )  # fmt: skip

    def _checks(self) -> None:
        for name, expression in self.wanted.checks:
            full = check_name(self.wanted, name)
            stands = self.standing.checks.get(full)
            if stands is not None and _quoted(stands) == _quoted(expression):
                continue
            self.found.words.append(f"check {full}")
            if stands is not None:
                self.found.actions.append(f"drop constraint {identifier(full)}")
            self.found.actions.append(f"add constraint {identifier(full)} check ({expression})")

    def _comments(self) -> None:
        changed = self.wanted.comment != self.standing.comment
        if changed:
            self.found.statements.append(comment_on(self.wanted))
        for column in self.wanted.columns:
            now = self.standing.columns.get(column.name)
            if column.comment != (now.comment if now else ""):
                self.found.statements.append(comment_on(self.wanted, column))
                changed = changed or now is not None
        if changed:
            self.found.words.append("comments")


def _quoted(expression: str) -> set[str]:
    """The string literals of a check: PostgreSQL rewrites everything around them."""
    return set(re.findall(r"'((?:[^']|'')*)'", expression))
