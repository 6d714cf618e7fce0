"""Judge the rest, each row by itself: types, then row rules. The database evaluates both.

``candidate`` gets every row of ``rest``. For those that are not ``_ok``, every fault is written to
``fault``. A value that could not be stored as it is meant is NULL in ``candidate``, and rules on
its column are not judged.
"""

from __future__ import annotations

from sqlalchemy import Connection

from loader.contract.model import Table
from loader.contract.types import identifier, literal
from loader.intake.sql import fetch, listed, run

_SHOWN = 200


def judge_rows(connection: Connection, table: Table) -> None:
    """Fill ``candidate``, and ``fault`` for rows that a type or rule refuses."""
    ok = " and ".join(
        [
            *(f"({_raw(i)} is null or {c.sql} is not null)" for i, c in enumerate(table.columns)),
            *(rule.stands for rule in table.errors()),
        ]
    )
    run(
        connection,
        f"insert into pg_temp.candidate (_row, {listed(table.column_names)}, _ok) "
        f"select _row, {listed(table.column_names)}, {ok} "
        f"from ({_typed(table, 'rest')}) as typed",
    )
    if fetch(connection, "select exists (select 1 from pg_temp.candidate where not _ok)")[0][0]:
        run(
            connection,
            "insert into pg_temp.fault "
            f"select _row, 'rejected', to_jsonb(array_remove(array[{_faults(table)}], null)) "
            f"from ({_typed(table, 'candidate', 'where not chosen._ok')}) as typed",
        )
    if fetch(connection, "select count(*) = 1000 from (select 1 from pg_temp.candidate limit 1000) as c")[0][0]:
        run(connection, "analyze pg_temp.candidate")


def _raw(index: int) -> str:
    return f"_raw_{index}"


def _typed(table: Table, among: str, only: str = "") -> str:
    """Landing rows that ``among`` names: typed columns by their names, text as ``_raw_<n>``.

    ``offset 0`` keeps the planner from evaluating a column's checks once for each use.
    """
    columns = []
    for index, column in enumerate(table.columns):
        value = f"l.{column.sql}"
        accepts = column.type.accepts(value)
        typed = column.type.cast(value)
        if accepts != "true":
            typed = f"case when l._plain or {accepts} then {typed} end"
        columns.append(f"{typed} as {column.sql}, {value} as {_raw(index)}")
    return (
        f"select l._row, {', '.join(columns)} from pg_temp.landing as l "
        f"inner join pg_temp.{among} as chosen on chosen._row = l._row {only} offset 0"
    )


def _faults(table: Table) -> str:
    """A list of SQL expressions: a fault as jsonb where it applies, else NULL."""
    places = {column.name: index for index, column in enumerate(table.columns)}
    faults = []
    for index, column in enumerate(table.columns):
        missed = f"{_raw(index)} is not null and {column.sql} is null"
        faults.append(
            f"case when {missed} then {fault(column.name, 'data_type', column.type.expects, _raw(index))} end"
        )
    for rule in table.errors():
        mistyped = [f"({_raw(places[name])} is not null and {identifier(name)} is null)" for name in rule.columns]
        judged = f"not ({' or '.join(mistyped)}) and " if mistyped else ""
        own = rule.columns[0] if len(rule.columns) == 1 else None
        value = _raw(places[own]) if own else "null"
        faults.append(f"case when {judged}{rule.broken} then {fault(own, rule.name, rule.reason, value)} end")
    return ", ".join(faults)


def fault(column: str | None, rule: str, message: str, value: str = "null") -> str:
    """SQL for one fault as jsonb; ``value`` is an SQL expression for the text as it came."""
    name = literal(column) if column else "null"
    return (
        f"jsonb_build_object('column', {name}, 'rule', {literal(rule)}, "
        f"'message', {literal(message)}, 'value', left({value}::text, {_SHOWN}))"
    )
