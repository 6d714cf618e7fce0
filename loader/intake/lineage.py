"""The versions of a key, whatever became of them: mirror and history read as one.

A version is named by the load and row that brought it. A delete is a version too, a
*tombstone*: its entry in the history has the key (and ``valid_from``) only, and was written by
the load that brought it, with reason ``deleted``. The version that it took away has an entry of
its own, with the same reason, which another load had brought.

A version that an entry ``undone`` names is none, until an entry ``restored`` names it.
"""

from __future__ import annotations

from loader.contract.model import Table
from loader.contract.types import identifier, literal
from loader.intake.sql import equal, listed

#: Of loads that ended, those that took keys away.
_DELETES = "select 1 from ledger.loads where op = 'delete' and accepted > 0 and status = 'succeeded'"


def is_tombstone(alias: str) -> str:
    """SQL that is true of the history's entry by which a delete is a version."""
    return f"({alias}._reason = 'deleted' and {alias}._load_id = {alias}._written_load_id)"


def last_word(table: Table, alias: str) -> str:
    """SQL for ``undone`` or ``restored``, whichever was said last of a version; else NULL."""
    return (
        f"(select e._reason from {table.history} as e where e._load_id = {alias}._load_id "
        f"and e._row = {alias}._row and e._reason in ('undone', 'restored') "
        "order by e._written_load_id desc limit 1)"
    )


def is_undone(table: Table, alias: str) -> str:
    """SQL that is true of a version that was taken back."""
    return f"({last_word(table, alias)} is not distinct from 'undone')"


def has_tombstones(table: Table) -> str:
    """SQL that is true when any key of the table was ever deleted."""
    return f"exists ({_DELETES} and source = {literal(table.source)} and table_name = {literal(table.name)})"


def was_deleted(table: Table, alias: str) -> str:
    """SQL that is true when the key of ``alias`` was ever deleted; whether it is gone now is another question."""
    return (
        f"({has_tombstones(table)} and exists (select 1 from {table.history} as _d "
        f"where {equal(table.primary_key, '_d', alias)} and {is_tombstone('_d')}))"
    )


def is_too_late(table: Table, alias: str) -> str:
    """SQL that is true of a row of the load's ``candidate`` that a standing delete of its key outranks."""
    if table.load == "events":
        return "false"
    moment = [identifier(table.valid_from)] if table.valid_from else []
    delete = ", ".join([f"_d.{name}" for name in moment] + ["_d._load_id", "_d._row"])
    arrival = [f"coalesce((select a.{name} from pg_temp.arrived as a where a._row = {alias}._row), {2**63 - 1})"
               for name in ("load_id", "row")]  # fmt: skip
    own = ", ".join([f"{alias}.{name}" for name in moment] + arrival)
    return (
        f"({has_tombstones(table)} and exists (select 1 from {table.history} as _d "
        f"where {equal(table.primary_key, '_d', alias)} and {is_tombstone('_d')} "
        f"and not {is_undone(table, '_d')} and ({delete}) > ({own})))"
    )


def ranking(table: Table) -> tuple[str, ...]:
    """What orders the versions of a key: ``valid_from`` where there is one, then arrival."""
    arrival = ("_first_load_id", "_first_row")
    return (identifier(table.valid_from), *arrival) if table.valid_from else arrival


def tombstones(table: Table, keys: str) -> str:
    """SQL for the delete by which each key of relation ``keys`` is gone; keys that stand have none."""
    key = listed(table.primary_key)
    rank = ", ".join(f"{part} desc" for part in ranking(table))
    return (
        f"select * from (select distinct on ({key}) * from ({versions(table, keys)}) as v order by {key}, {rank}) as d "
        f"where _gone and {has_tombstones(table)}"
    )


def versions(table: Table, keys: str) -> str:
    """SQL for the versions of the keys in relation ``keys`` that were not undone.

    The table's columns, ``_load_id``, ``_row``, ``_loaded_at``, ``_gone`` (a tombstone),
    ``_current`` (stands in the mirror), ``_first_load_id`` and ``_first_row``.
    """
    columns = f"{listed(table.column_names)}, _load_id, _row, _loaded_at"
    among = f"({listed(table.primary_key)}) in (select {listed(table.primary_key)} from {keys})"
    entries = (
        f"select {columns}, false as _gone, true as _current from {table.mirror} where {among} "
        f"union all select {columns}, {is_tombstone('h')}, false from {table.history} as h where {among}"
    )
    once = (
        f"select distinct on (_load_id, _row) {columns}, "
        f"bool_or(_gone) over (partition by _load_id, _row) as _gone, _current from ({entries}) as entry "
        "order by _load_id, _row, _current desc"
    )
    return (
        "select v.*, coalesce(r.first_load_id, v._load_id) as _first_load_id, "
        f"coalesce(r.first_row, v._row) as _first_row from ({once}) as v left join ledger.rejects as r "
        "on r.resolved_load_id = v._load_id and r.resolved_row = v._row "
        f"where v._current or not {is_undone(table, 'v')}"
    )
