"""What the rows of a load that were let in break of the rules that only warn."""

from __future__ import annotations

from sqlalchemy import Connection

from loader.contract.model import Contract, Table
from loader.intake import parents, store
from loader.intake.receipt import Warned
from loader.intake.sql import fetch, listed


def let_in(table: Table, load_id: int) -> str:
    """SQL for the rows that the load brought, current or superseded within it."""
    columns = f"{listed(table.column_names)}, _row"
    return (
        f"select {columns} from {table.mirror} where _load_id = {load_id} "
        f"union all select {columns} from {table.history} "
        f"where _load_id = {load_id} and _written_load_id = {load_id}"
    )


def may_warn(table: Table) -> bool:
    """Whether the table has a rule that only warns."""
    return (
        any(table.warnings())
        or any(relationship.severity == "warn" for relationship in table.relationships)
        or any(unique.severity == "warn" for unique in table.unique_rules)
    )


def find_warnings(connection: Connection, contract: Contract, table: Table, load_id: int) -> list[Warned]:
    """What the rows let in break of the rules that only warn."""
    found: list[Warned] = []
    rules = list(table.warnings())
    if rules:
        counts = ", ".join(
            f"count(*) filter (where {rule.broken}), min(_row) filter (where {rule.broken})" for rule in rules
        )
        row = fetch(connection, f"select {counts} from ({let_in(table, load_id)}) as r")[0]
        for index, rule in enumerate(rules):
            column = rule.columns[0] if len(rule.columns) == 1 else None
            if row[2 * index]:
                found.append(Warned(column, rule.name, rule.reason, row[2 * index], row[2 * index + 1]))
    for relationship in table.relationships:
        if relationship.severity == "warn":
            rows, first = parents.count_orphans(connection, contract, table, relationship, let_in(table, load_id))
            if rows:
                parent = ".".join(relationship.parent)
                message = f"has no parent in {parent}"
                found.append(Warned(relationship.columns[0], relationship.name, message, rows, first))
    for unique in table.unique_rules:
        if unique.severity == "warn":
            rows, first = store.count_clashes(connection, table, unique, load_id)
            if rows:
                found.append(Warned(unique.columns[0], unique.name, "must be unique", rows, first))
    return found
