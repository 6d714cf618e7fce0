"""A draft from tables that stand: types, keys, not null and comments of PostgreSQL's catalog."""

from __future__ import annotations

import sqlalchemy as sa

from loader.contract.draft import DraftColumn, DraftTable
from loader.contract.model import SYSTEM_COLUMNS
from loader.contract.types import UnknownType, parse_type
from loader.migrate.catalog import StandingColumn, StandingRelation, read_catalog
from loader.remedy import Remedy

_ROWS = ("r", "p", "v", "m", "f")


def draft_tables(engine: sa.Engine, schema: str, names: dict[str, str] | None) -> list[DraftTable]:
    """The tables of ``schema``: all of them, or by relation those of ``names`` (relation: source table).

    The loader's own columns and histories are left out. Raises :class:`Remedy` for what is not there.
    """
    with engine.connect() as connection:
        catalog = read_catalog(connection, [schema])
    relations = {relation.name: relation for (_, _), relation in catalog.relations.items() if relation.kind in _ROWS}
    if names is None:
        histories = {name for name in relations if name.removesuffix("__history") in relations.keys() - {name}}
        names = {name: name for name in sorted(relations.keys() - histories)}
    missing = sorted(names.keys() - relations.keys())
    if missing or not names:
        raise Remedy(
            f"There is no table {schema}.{missing[0]}." if missing else f"The schema {schema} holds no table.",
            "Name the schema with --schema, and see that PGDATABASE and the user are the right ones.",
        )
    return [_table(relations[relation], name) for relation, name in names.items()]


def _table(relation: StandingRelation, name: str) -> DraftTable:
    ours = set(SYSTEM_COLUMNS) <= relation.columns.keys()
    columns = [column for column in relation.columns.values() if not (ours and column.name in SYSTEM_COLUMNS)]
    remark = "" if relation.primary_key else "no primary key stands here: name one in config.meta.primary_key"
    return DraftTable(
        name, tuple(map(_column, columns)), relation.primary_key, relation.comment, remark,
    )  # fmt: skip


def _column(column: StandingColumn) -> DraftColumn:
    try:
        data_type, remark = parse_type(column.type).sql, ""
    except UnknownType:
        data_type, remark = column.type, "not a type that the doors know: choose one"
    return DraftColumn(column.name, data_type, column.required, column.comment, remark)
