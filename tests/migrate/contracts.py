"""Small contracts in Python: dbt's parser takes seconds, and these tests need many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from loader.contract.model import DOORS, Column, Contract, Table
from loader.contract.types import parse_type
from loader.ledger import upgrade
from loader.migrate.catalog import StandingRelation, read_catalog

#: The program's newest revision of the ledger.
NEWEST = max(path.name for path in (upgrade._MIGRATIONS / "versions").glob("[0-9]*.py")).split("_")[0]
COLUMNS = ("order_id bigint!", "status text!", "quantity integer", "amount numeric(12,2)", "note varchar(20)")


def column(text: str) -> Column:
    """`name type` or `name type!`, the latter for a required one."""
    name, _, data_type = text.partition(" ")
    label = name.replace("_", " ").capitalize()
    return Column(name, parse_type(data_type.rstrip("!")), data_type.endswith("!"), label, "")


def table(name: str = "orders", *columns: str, **more: Any) -> Table:
    """A table of source erp in the schema staging_erp; its key is its first column."""
    made = tuple(column(text) for text in columns or COLUMNS)
    fields: dict[str, Any] = {
        "source": "erp", "name": name, "schema": "staging_erp", "identifier": name, "columns": made,
        "primary_key": (made[0].name,), "load": "versions", "valid_from": None, "doors": DOORS,
        "label": name.capitalize(), "description": "", "path": "models/_erp__sources.yml", "line": 7,
    }  # fmt: skip
    return Table(**(fields | more))


def contract(*tables: Table) -> Contract:
    return Contract("shop", {(t.source, t.name): t for t in tables or (table(),)})


def changed(old: str, new: str | None, **more: Any) -> Contract:
    """The orders contract with one column's text replaced, or taken out."""
    texts = [new if text == old else text for text in COLUMNS]
    assert texts != list(COLUMNS), "the column to change is one of COLUMNS"
    return contract(table("orders", *(text for text in texts if text), **more))


def insert(engine: sa.Engine, *rows: str, relation: str = "staging_erp.orders") -> None:
    """Rows given as SQL values of COLUMNS, loaded by load 1."""
    with engine.begin() as connection:
        for number, row in enumerate(rows, 1):
            connection.execute(
                sa.text(
                    f"insert into {relation} (order_id, status, quantity, amount, note, _load_id, _row) "
                    f"values ({row}, 1, {number})"
                )
            )


def to_history(engine: sa.Engine, reason: str = "replaced") -> None:
    """A copy of every order as a version that is not current."""
    names = "order_id, status, quantity, amount, note, _load_id, _row, _loaded_at"
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                f"insert into staging_erp.orders__history ({names}, _written_load_id, _reason) "
                f"select {names}, 2, '{reason}' from staging_erp.orders"
            )
        )


def rows(engine: sa.Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def standing(engine: sa.Engine) -> dict[tuple[str, str], Any]:
    """Everything in the staging schemas, without numbers and orders that don't matter."""
    with engine.connect() as connection:
        catalog = read_catalog(connection, ["staging_erp", "staging_crm"])
    return {key: _comparable(relation) for key, relation in catalog.relations.items()}


def _comparable(relation: StandingRelation) -> Any:
    columns = {name: replace(c, number=0) for name, c in relation.columns.items()}
    return replace(relation, oid=0, columns=columns, indexes=tuple(sorted(relation.indexes, key=lambda i: i.name)))
