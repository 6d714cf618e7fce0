"""The contract as one model: what every door, the DDL, the forms and the API documents follow.

Made by :mod:`loader.contract.read` from the dbt project's source files; holds no database
connection and knows no table of any shop by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from loader.contract.types import DataType, identifier

Severity = Literal["error", "warn"]

#: Columns that the loader adds to every staging table, after the source's own.
SYSTEM_COLUMNS = ("_load_id", "_row", "_loaded_at")
#: What follows a table's name in the name of its history.
HISTORY_SUFFIX = "__history"
DOORS = ("api", "form", "file")
#: Doors that a contract may name already, for the day there are such.
KNOWN_DOORS = (*DOORS, "pull", "topic")


@dataclass(frozen=True)
class Column:
    """A column of a source table; ``required`` when it may not be empty."""

    name: str
    type: DataType
    required: bool
    label: str
    description: str
    example: Any = None
    pii: str | None = None
    accepted_values: tuple[str, ...] | None = None
    line: int | None = None

    @property
    def sql(self) -> str:
        """The quoted identifier."""
        return identifier(self.name)


@dataclass(frozen=True)
class RowRule:
    """A rule that one row decides by itself.

    ``expression`` is SQL over the table's columns; a row breaks the rule when it
    is false (NULL passes), and only where ``where`` (if any) is true.
    """

    name: str
    columns: tuple[str, ...]
    expression: str
    message: str
    severity: Severity = "error"
    where: str | None = None
    test_id: str | None = None
    accepted: tuple[str, ...] | None = None

    @property
    def reason(self) -> str:
        """What is said to who broke the rule: elsewhere the same value may pass."""
        return self.message if self.where is None else f"{self.message} (where {self.where})"

    @property
    def broken(self) -> str:
        """SQL that is true when a row breaks the rule."""
        broken = f"(({self.expression}) is false)"
        return broken if self.where is None else f"({broken} and ({self.where}) is true)"

    @property
    def stands(self) -> str:
        """SQL that is true when a row does not break the rule; never NULL."""
        stands = f"(({self.expression}) is not false)"
        return stands if self.where is None else f"({stands} or ({self.where}) is not true)"


@dataclass(frozen=True)
class UniqueRule:
    """Among the current rows, ``columns`` together hold each value once (NULLs pass)."""

    columns: tuple[str, ...]
    severity: Severity = "error"
    where: str | None = None
    test_id: str | None = None
    name: str = "unique"


@dataclass(frozen=True)
class Relationship:
    """``columns`` must be found in ``parent_columns`` of the parent (NULLs pass)."""

    columns: tuple[str, ...]
    parent: tuple[str, str]
    parent_columns: tuple[str, ...]
    severity: Severity = "error"
    where: str | None = None
    test_id: str | None = None
    name: str = "relationships"


@dataclass(frozen=True)
class UncheckedTest:
    """A dbt test on a source that the door does not judge, and why."""

    name: str
    columns: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Freshness:
    """How late the last successful load may be, in seconds; ``None`` means no limit."""

    warn_after: float | None
    error_after: float | None


_DOORS = {"form": "forms", "api": "the API", "file": "files"}


@dataclass(frozen=True)
class Table:
    """A source table: its columns, key, way of loading and rules."""

    source: str
    name: str
    schema: str
    identifier: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    load: Literal["versions", "events"]
    valid_from: str | None
    doors: tuple[str, ...]
    label: str
    description: str
    freshness: Freshness | None = None
    row_rules: tuple[RowRule, ...] = ()
    unique_rules: tuple[UniqueRule, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    unchecked: tuple[UncheckedTest, ...] = ()
    path: str = ""
    line: int | None = None

    @property
    def id(self) -> str:
        """``source.table``, as people write it."""
        return f"{self.source}.{self.name}"

    def closed_to(self, door: str) -> str | None:
        """Why nothing comes in by a door, as a sentence; ``None`` if the door is open."""
        if door in self.doors:
            return None
        return f"The contract opens no door for {_DOORS[door]} to {self.id}."

    @property
    def ordered_by_arrival(self) -> bool:
        """Whether nothing but their arrival orders the versions of a key."""
        return self.load == "versions" and self.valid_from is None

    @property
    def mirror(self) -> str:
        """The quoted relation that holds the current rows."""
        return f"{identifier(self.schema)}.{identifier(self.identifier)}"

    @property
    def history(self) -> str:
        """The quoted relation that holds the versions that are not current."""
        return f"{identifier(self.schema)}.{identifier(self.history_name)}"

    @property
    def history_name(self) -> str:
        """The name of :attr:`history`, without quotes and schema."""
        return self.identifier + HISTORY_SUFFIX

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; raises ``KeyError``."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def errors(self) -> Iterator[RowRule]:
        """Row rules that refuse a row."""
        return (rule for rule in self.row_rules if rule.severity == "error")

    def warnings(self) -> Iterator[RowRule]:
        """Row rules that let a row in and say so."""
        return (rule for rule in self.row_rules if rule.severity == "warn")

    def relationship_of(self, column: str) -> Relationship | None:
        """The one-column relationship of ``column``: what a form offers to pick from."""
        for relationship in self.relationships:
            if relationship.columns == (column,):
                return relationship
        return None


@dataclass(frozen=True)
class Contract:
    """All tables that a project's sources give to the loader, by (source, table)."""

    project: str
    tables: dict[tuple[str, str], Table]
    fingerprint: str = ""
    #: The departments that the project has a mart for, by the schemas that their models are built in.
    departments: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables.values())

    def table(self, source: str, name: str) -> Table:
        """The table; raises ``KeyError`` when the contract has none of that name."""
        return self.tables[(source, name)]

    def find(self, table_id: str) -> Table:
        """The table of ``source.table``; raises ``KeyError``."""
        source, _, name = table_id.partition(".")
        return self.tables[(source, name)]

    def children(self, parent: Table) -> Iterator[tuple[Table, Relationship]]:
        """Every relationship that points at ``parent``, with the table it belongs to."""
        key = (parent.source, parent.name)
        for table in self:
            for relationship in table.relationships:
                if relationship.parent == key:
                    yield table, relationship

    def descendants(self, parent: Table) -> set[tuple[str, str]]:
        """The tables that a load into ``parent`` may let rows into, itself included."""
        found = {(parent.source, parent.name)}
        open_ = [parent]
        while open_:
            for child, relationship in self.children(open_.pop()):
                key = (child.source, child.name)
                if relationship.severity == "error" and key not in found:
                    found.add(key)
                    open_.append(child)
        return found
