"""What a form offers to pick from: rows of the parent table, found by key or by text.

Columns with direct personal data are neither searched nor shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2.errors import QueryCanceled
from sqlalchemy import Connection

from loader.contract.model import Column, Table
from loader.contract.types import identifier, literal
from loader.intake.sql import fetch, run

LIMIT = 20
_SHOWN = 3
_LONGEST = 60
#: Nobody waits longer for a list; a large table without a fitting index may take more.
_TIMEOUT = "3s"


@dataclass(frozen=True)
class Choice:
    """A key of the parent, and words by which a person knows the row."""

    value: str
    label: str


def search(connection: Connection, parent: Table, field: str, words: str) -> list[Choice]:
    """At most 20 rows of ``parent`` whose ``field`` or text holds ``words``; the key that is
    ``words`` first, then keys that begin with it. Nothing when it takes too long."""
    words = words.replace("\0", "")
    texts = _texts(parent, field)
    key = f"p.{identifier(field)}"
    where, order = f"{key} is not null", key
    if words:
        escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        sought = (f"{key}::text", *(f"p.{identifier(column)}" for column in texts))
        held = " or ".join(f"{text} ilike {literal(f'%{escaped}%')}" for text in sought)
        where += f" and ({held})"
        begins = f"{key}::text like {literal(escaped + '%')}"
        order = f"({key}::text = {literal(words)}) desc, ({begins}) desc, {key}"
    try:
        run(connection, f"set local statement_timeout = '{_TIMEOUT}'")
        rows = fetch(
            connection,
            f"select {key}::text, {_label(texts)} from {parent.mirror} as p "
            f"where {where} order by {order} limit {LIMIT}",
        )
    except QueryCanceled:
        return []
    return [Choice(*row) for row in rows]


def find(connection: Connection, parent: Table, field: str, value: str) -> Choice | None:
    """The row of ``parent`` whose ``field`` is ``value``."""
    data_type = parent.column(field).type
    typed = f"case when {data_type.accepts('sought.text')} then {data_type.cast('sought.text')} end"
    rows = fetch(
        connection,
        f"select p.{identifier(field)}::text, {_label(_texts(parent, field))} from {_sought(value)} "
        f"inner join {parent.mirror} as p on p.{identifier(field)} = {typed} limit 1",
    )
    return Choice(*rows[0]) if rows else None


def fits(connection: Connection, column: Column, value: str) -> bool:
    """Whether ``value`` can be stored in ``column``; if not, its row would be refused."""
    fit = column.type.accepts("sought.text")
    return bool(fetch(connection, f"select coalesce({fit}, false) from {_sought(value)}")[0][0])


def _sought(value: str) -> str:
    # offset 0 keeps the planner from casting a constant before it is known to be acceptable
    return f"(select {literal(value.replace(chr(0), ''))}::text as text offset 0) as sought"


def _texts(parent: Table, field: str) -> list[str]:
    """The columns by which people know a row: texts first that are not one of a few values."""
    usable = [
        column
        for column in parent.columns
        if column.type.family in ("text", "varchar") and column.pii != "direct" and column.name != field
    ]
    usable.sort(key=lambda column: column.accepted_values is not None)
    return [column.name for column in usable[:_SHOWN]]


def _label(texts: list[str]) -> str:
    if not texts:
        return "''"
    shown = ", ".join(f"left(p.{identifier(column)}, {_LONGEST})" for column in texts)
    return f"concat_ws(' · ', {shown})"
