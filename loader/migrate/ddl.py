"""The relations that follow from the contract: each source table's mirror and history.

Only what should stand is said here; :mod:`loader.migrate.planner` compares it with what does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from loader.contract.model import Contract, Table
from loader.contract.types import identifier, literal

#: Why a version is in the history and not in the mirror.
REASONS = ("replaced", "deleted", "older", "undone", "restored")
#: The index of a mirror by load, of a BRIN: loads come one after the other, and the rows of one
#: lie together. A B-tree of a million equal numbers would cost a fifth of a load's time.
BY_LOAD = ("_load_id",)
_NAME_BYTES = 63


@dataclass(frozen=True)
class ColumnSpec:
    """A column as it should stand; ``of_source`` for the source's own."""

    name: str
    type: str
    required: bool
    comment: str = ""
    default: str | None = None
    of_source: bool = False

    @property
    def definition(self) -> str:
        default = f" default {self.default}" if self.default else ""
        required = " not null" if self.required else ""
        return f"{identifier(self.name)} {self.type}{required}{default}"


@dataclass(frozen=True)
class RelationSpec:
    """A table as it should stand. ``primary_key`` is empty for a history."""

    schema: str
    name: str
    columns: tuple[ColumnSpec, ...]
    primary_key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...]
    comment: str
    checks: tuple[tuple[str, str], ...] = ()

    @property
    def sql(self) -> str:
        """The quoted name."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    def column(self, name: str) -> ColumnSpec:
        return next(column for column in self.columns if column.name == name)


_LOADED = (
    ColumnSpec("_load_id", "bigint", True, "The load that brought this row (ledger.loads)"),
    ColumnSpec("_row", "bigint", True, "The row's position in that load, from 1"),
    ColumnSpec("_loaded_at", "timestamptz", True, "When the row was written", "now()"),
)
_WRITTEN = (
    ColumnSpec("_written_load_id", "bigint", True, "The load that wrote this entry"),
    ColumnSpec("_written_at", "timestamptz", True, "When this entry was written", "now()"),
    ColumnSpec(
        "_reason", "text", True,
        "Why the entry is there: replaced, deleted, older (on arrival), undone, or restored (undone no more)",
    ),
)  # fmt: skip


def relations(table: Table, contract: Contract) -> tuple[RelationSpec, RelationSpec]:
    """The mirror and the history of ``table``.

    ``contract`` says which other tables look into this one. No foreign key leads to the
    ledger or to a parent: the door has judged the rows, and bulk loads would pay twice.
    """
    own = tuple(
        ColumnSpec(
            column.name, column.type.sql, column.required or column.name in table.primary_key,
            _comment(column.label, column.description), of_source=True,
        )
        for column in table.columns
    )  # fmt: skip
    optional = tuple(ColumnSpec(c.name, c.type, False, c.comment, of_source=True) for c in own)
    text = _comment(table.label, table.description)
    mirror = RelationSpec(
        schema=table.schema,
        name=table.identifier,
        columns=own + _LOADED,
        primary_key=table.primary_key,
        indexes=_mirror_indexes(table, contract),
        comment=text,
    )
    history = RelationSpec(
        schema=table.schema,
        name=table.history_name,
        columns=optional + _LOADED + _WRITTEN,
        primary_key=(),
        indexes=(table.primary_key, ("_written_load_id",), ("_load_id", "_row")),
        comment=f"Versions of {table.id} that are not current. {text}",
        checks=(("reason", f"_reason in ({', '.join(literal(r) for r in REASONS)})"),),
    )
    return mirror, history


def schemas(contract: Contract) -> list[str]:
    """The schemas that hold staging tables."""
    return sorted({table.schema for table in contract})


def _mirror_indexes(table: Table, contract: Contract) -> tuple[tuple[str, ...], ...]:
    """Column lists that doors and undo look rows up by, the primary key's index aside.

    A child's reference has none: every row let in would pay for it, and only the taking away of
    a parent asks for it, which reads the child once.
    """
    key = set(table.primary_key)
    wanted = [rule.columns for rule in table.unique_rules if not key <= set(rule.columns)]
    wanted += [relationship.parent_columns for _, relationship in contract.children(table)]
    made: list[tuple[str, ...]] = []
    # longest first: an index that begins with a shorter list serves that one too
    for columns in sorted(dict.fromkeys(wanted), key=len, reverse=True):
        if not any(_begins(index, columns) for index in (table.primary_key, *made)):
            made.append(columns)
    return (*sorted(made), BY_LOAD)


def _begins(index: tuple[str, ...], columns: tuple[str, ...]) -> bool:
    return set(index[: len(columns)]) == set(columns)


def _comment(label: str, description: str) -> str:
    return ": ".join(part.strip() for part in (label, description) if part.strip())


def create_table(relation: RelationSpec) -> str:
    """``create table`` with its key and checks; indexes and comments are statements apart."""
    lines = [column.definition for column in relation.columns]
    if relation.primary_key:
        lines.append(primary_key_clause(relation))
    for name, expression in relation.checks:
        lines.append(f"constraint {identifier(check_name(relation, name))} check ({expression})")
    return f"create table {relation.sql} (\n    " + ",\n    ".join(lines) + "\n)"


def primary_key_clause(relation: RelationSpec) -> str:
    columns = ", ".join(identifier(column) for column in relation.primary_key)
    return f"constraint {identifier(primary_key_name(relation))} primary key ({columns})"


def primary_key_name(relation: RelationSpec) -> str:
    return _fit(f"{relation.name}_pkey")


def check_name(relation: RelationSpec, name: str) -> str:
    return _fit(f"{relation.name}_{name}_check")


def index_name(relation: str, columns: Iterable[str]) -> str:
    """``<table>_<columns>_idx``; joined with two underscores, since names hold single ones."""
    return _fit(f"{relation}__{'__'.join(columns)}_idx")


def create_index(relation: RelationSpec, columns: tuple[str, ...]) -> str:
    listed = ", ".join(identifier(column) for column in columns)
    name = identifier(index_name(relation.name, columns))
    method, options = (
        ("brin", " with (pages_per_range = 32, autosummarize = on)") if columns == BY_LOAD else ("btree", "")
    )
    return f"create index {name} on {relation.sql} using {method} ({listed}){options}"


def comment_on(relation: RelationSpec, column: ColumnSpec | None = None) -> str:
    """``comment on`` the relation, or on one of its columns; an empty text takes it away."""
    if column is None:
        return f"comment on table {relation.sql} is {_text(relation.comment)}"
    return f"comment on column {relation.sql}.{identifier(column.name)} is {_text(column.comment)}"


def create_statements(relation: RelationSpec) -> Iterator[str]:
    """Everything that makes the relation where nothing stands."""
    yield create_table(relation)
    for columns in relation.indexes:
        yield create_index(relation, columns)
    yield comment_on(relation)
    for column in relation.columns:
        if column.comment:
            yield comment_on(relation, column)


def _text(comment: str) -> str:
    return literal(comment) if comment else "null"


def _fit(name: str) -> str:
    """``name``, or when PostgreSQL would cut it: its beginning and a hash of the whole."""
    if len(name.encode()) <= _NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return name.encode()[: _NAME_BYTES - 11].decode("utf-8", "ignore") + "_" + digest
