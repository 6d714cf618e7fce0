"""Rows that do not count and may come to: kept in the ledger, or taken back by an undo that may be undone.

Where arrival orders the versions of a key, a row repeats another only if it arrived just behind it:
what lies between, though it does not count yet, would come to stand over the first of two rows that
are equal, and the second has to be there to stand over it. What lies between and says the same is no
matter: a load refused whole leaves many such. Kept rows are found by the digest of their
key (``ledger.rejects.key_digest``); of a row whose key can't be read nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable

from loader.contract.model import Column, Table
from loader.contract.types import literal
from loader.intake.lineage import is_tombstone
from loader.intake.sql import listed


def key_digest(table: Table, value: Callable[[Column], str]) -> str:
    """SQL for the digest of a row's key, NULL where that is not whole or where arrival orders nothing.

    ``value`` gives SQL for a column's typed value.
    """
    if not table.ordered_by_arrival:
        return "null::bytea"
    columns = [table.column(name) for name in table.primary_key]
    texts = [
        f"trim_scale({value(column)})::text" if column.type.family == "numeric" else f"({value(column)})::text"
        for column in columns
    ]
    said = literal(f"{table.id} {', '.join(table.primary_key)}")
    digest = f"substring(sha256(convert_to(array[{said}, {', '.join(texts)}]::text, 'UTF8')) for 16)"
    return f"case when num_nulls({', '.join(texts)}) = 0 then {digest} end"


def typed(column: Column, text: str) -> str:
    """SQL for a column's value from SQL for its text; NULL where that is none of the type's."""
    return f"case when {column.type.accepts(text)} then {column.type.cast(text)} end"


def from_payload(alias: str) -> Callable[[Column], str]:
    """What :func:`key_digest` asks for, of a relation with a ``payload``."""
    return lambda column: typed(column, f"({alias}.payload ->> {literal(column.name)})")


def pending(table: Table, keys: str) -> str:
    """SQL for such rows of the keys in relation ``keys``.

    The table's columns, ``_first_load_id``, ``_first_row``, ``_payload`` where it is kept, ``_waits``,
    and ``_known``: the columns say what the row says.
    """
    key = listed(table.primary_key)
    value = from_payload("r")
    values = {column.sql: value(column) for column in table.columns}
    texts = ", ".join(f"r.payload ->> {literal(column.name)}" for column in table.columns)
    kept = (
        f"select {', '.join(f'{typed} as {name}' for name, typed in values.items())}, "
        "r.first_load_id as _first_load_id, r.first_row as _first_row, r.payload as _payload, "
        f"r.status = 'waiting' as _waits, num_nulls({', '.join(values.values())}) = num_nulls({texts}) as _known "
        f"from (select distinct {key} from {keys}) as k "
        f"inner join ledger.rejects as r on r.key_digest = {key_digest(table, lambda column: f'k.{column.sql}')} "
        "where (r.status in ('waiting', 'rejected') "
        f"or r.status = 'dismissed' and {_may_return('r.resolved_load_id', 'r.first_load_id', 'r.first_row')}) "
        f"and {_any_kept(table)}"
    )
    deleted = (
        f"exists (select 1 from {table.history} as d where d._load_id = h._load_id and d._row = h._row "
        f"and {is_tombstone('d')})"
    )
    taken_back = (
        f"select {listed(table.column_names, 'h')}, h._first_load_id, h._first_row, null::jsonb, false, not _gone "
        f"from (select h.*, coalesce(r.first_load_id, h._load_id) as _first_load_id, {deleted} as _gone, "
        f"coalesce(r.first_row, h._row) as _first_row from {table.history} as h left join ledger.rejects as r "
        "on r.resolved_load_id = h._load_id and r.resolved_row = h._row "
        f"where h._reason = 'undone' and ({listed(table.primary_key, 'h')}) in (select {key} from {keys}) "
        f"and not exists (select 1 from {table.history} as e where e._load_id = h._load_id and e._row = h._row "
        "and e._reason in ('undone', 'restored') and e._written_load_id > h._written_load_id)) as h "
        f"where {_may_return('h._written_load_id', 'h._first_load_id', 'h._first_row')}"
    )
    return f"{kept} union all {taken_back}"


def _may_return(undo: str, *first: str) -> str:
    """SQL that is true of what the load ``undo`` took away, which stands, and did not keep in the ledger.

    What it did is found there; a cascade, which nobody can undo, keeps all.
    """
    return (
        f"exists (select 1 from ledger.loads as u where u.load_id = {undo} "
        "and u.undone_by_load_id is null and not exists (select 1 from ledger.rejects as k "
        f"where k.load_id = u.load_id and (k.first_load_id, k.first_row) = ({', '.join(first)})))"
    )


def _any_kept(table: Table) -> str:
    """SQL that spares the digests where nothing is kept."""
    those = f"source = {literal(table.source)} and table_name = {literal(table.name)}"
    asked = (
        f"exists (select 1 from ledger.rejects where status = '{status}' and {those} and key_digest is not null)"
        for status in ("waiting", "rejected", "dismissed")
    )
    return f"({' or '.join(asked)})"


def not_let_in(table: Table, load_id: int, verdicts: str = "true") -> str:
    """SQL for the rows of this load that are not let in, as :func:`pending` has them.

    ``verdicts`` is SQL on the faults ``f``, of those meant.
    """
    unreadable = from_payload("w")

    def key_of(value: Callable[[Column], str]) -> str:
        return ", ".join(
            f"{value(column)} as {column.sql}"
            if column.name in table.primary_key
            else f"null::{column.type.sql} as {column.sql}"
            for column in table.columns
        )

    return (
        f"select {key_of(lambda column: f'c.{column.sql}')}, coalesce(a.load_id, {load_id}) as _first_load_id, "
        "coalesce(a.row, c._row) as _first_row, null::jsonb as _payload, false as _waits, false as _known "
        f"from pg_temp.candidate as c inner join pg_temp.fault as f on f._row = c._row and {verdicts} "
        "left join pg_temp.arrived as a on a._row = c._row "
        f"union all select {key_of(unreadable)}, {load_id}, w._row, null, false, false from pg_temp.unreadable as w"
    )
