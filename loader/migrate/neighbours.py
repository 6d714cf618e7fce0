"""Tables that another project, or another name in this one, has in the same database.

Loads, kept rows and Idempotency-Keys are kept by source and table. So one source's table may not
stand in two schemas, and one table may not be two sources': each would be taken for the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from loader.contract.faults import Fault
from loader.contract.model import Contract, Table
from loader.contract.types import identifier, literal
from loader.migrate.catalog import Catalog
from loader.migrate.sql import run


def other_owners(
    connection: sa.Connection, contract: Contract, catalog: Catalog, histories: Iterable[tuple[str, str]]
) -> Iterator[Fault]:
    """A fault for each table whose name or relation is in use by somebody else.

    ``histories`` are (schema, name) of every history that stands in the database.
    """
    if not run(connection, "select to_regclass('ledger.loads') is not null").scalar():
        return
    standing = {(schema, name.removesuffix("__history")) for schema, name in histories}
    for table in contract:
        if (table.schema, table.identifier) in standing:
            yield from _other_source(connection, table, catalog)
        else:
            elsewhere = sorted(schema for schema, name in standing if name == table.identifier)
            yield from _other_schema(connection, table, elsewhere)


def _other_source(connection: sa.Connection, table: Table, catalog: Catalog) -> Iterator[Fault]:
    mirror = catalog.relations.get((table.schema, table.identifier))
    if mirror is None or "_load_id" not in mirror.columns:
        return
    owner = run(
        connection,
        "select source || '.' || table_name from ledger.loads "
        f"where load_id = (select _load_id from {table.mirror} limit 1)",
    ).scalar()
    if owner is not None and owner != table.id:
        yield Fault(
            f"{table.schema}.{table.identifier} holds the rows of {owner}",
            f"name the source and table {owner}, give this one a `schema:` of its own, or use another database",
            table.path, table.line, table.id,
        )  # fmt: skip


def _other_schema(connection: sa.Connection, table: Table, elsewhere: list[str]) -> Iterator[Fault]:
    for schema in elsewhere:
        other = f"{identifier(schema)}.{identifier(table.identifier)}"
        found = run(
            connection,
            f"select exists (select from {other} as m inner join ledger.loads as l on l.load_id = m._load_id "
            f"where l.source = {literal(table.source)} and l.table_name = {literal(table.name)})",
        ).scalar()
        if found:
            yield Fault(
                f"{table.id} has rows already, in the schema {schema}: another project's, or this one's before its "
                "schema was renamed",
                "give the source another name or use another database; or put `schema: " + schema + "` back",
                table.path, table.line, table.id,
            )  # fmt: skip
