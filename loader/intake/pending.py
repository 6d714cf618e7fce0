"""Rows that do not count and may come to: kept in the ledger, or taken back by an undo that may be undone.

Where arrival orders the versions of a key, a row repeats another only if it arrived just behind it:
what lies between, though it does not count yet, would come to stand over the first of two rows that
are equal, and the second has to be there to stand over it. Kept rows are found by the digest of their
key (``ledger.rejects.key_digest``); of a row whose key can't be read nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable

from loader.contract.model import Column, Table
from loader.contract.types import literal
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
    """SQL for such rows of the keys in relation ``keys``: the key, ``_first_load_id``, ``_first_row``, ``_payload``.

    The payload is that of a row that waits, else NULL. Of a table that something else orders there are none.
    """
    key = listed(table.primary_key)
    kept = (
        f"select {listed(table.primary_key, 'k')}, r.first_load_id as _first_load_id, r.first_row as _first_row, "
        "case when r.status = 'waiting' then r.payload end as _payload "
        f"from (select distinct {key} from {keys}) as k "
        f"inner join ledger.rejects as r on r.key_digest = {key_digest(table, lambda column: f'k.{column.sql}')} "
        "where (r.status in ('waiting', 'rejected') "
        f"or r.status = 'dismissed' and {_may_return('r.resolved_load_id', 'r.first_load_id', 'r.first_row')}) "
        f"and {_any_kept(table)}"
    )
    taken_back = (
        f"select {listed(table.primary_key, 'h')}, h._first_load_id, h._first_row, null::jsonb from ("
        "select h.*, coalesce(r.first_load_id, h._load_id) as _first_load_id, "
        f"coalesce(r.first_row, h._row) as _first_row from {table.history} as h left join ledger.rejects as r "
        "on r.resolved_load_id = h._load_id and r.resolved_row = h._row "
        f"where h._reason = 'undone' and ({listed(table.primary_key, 'h')}) in (select {key} from {keys}) "
        f"and not exists (select 1 from {table.history} as e where e._load_id = h._load_id and e._row = h._row "
        "and e._reason in ('undone', 'restored') and e._written_load_id > h._written_load_id)) as h "
        f"where {_may_return('h._written_load_id', 'h._first_load_id', 'h._first_row')}"
    )
    return f"{kept} union all {taken_back}"


def _may_return(undo: str, *first: str) -> str:
    """SQL that is true of what the load ``undo`` took away, an undo that stands, and did not keep again."""
    return (
        f"exists (select 1 from ledger.loads as u where u.load_id = {undo} and u.door = 'undo' "
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
    names = ", ".join(f"{unreadable(table.column(name))} as {table.column(name).sql}" for name in table.primary_key)
    return (
        f"select {listed(table.primary_key, 'c')}, coalesce(a.load_id, {load_id}) as _first_load_id, "
        "coalesce(a.row, c._row) as _first_row, null::jsonb as _payload from pg_temp.candidate as c "
        f"inner join pg_temp.fault as f on f._row = c._row and {verdicts} "
        "left join pg_temp.arrived as a on a._row = c._row "
        f"union all select {names}, {load_id}, w._row, null from pg_temp.unreadable as w"
    )
