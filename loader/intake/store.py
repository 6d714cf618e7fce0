"""Store what was let in: the mirror keeps one current row a key, the history the rest.

Rows go straight into the mirror; only keys that are contested (by a standing version, or
twice in the load) are then put in order. Versions are ordered by ``valid_from`` where there
is one, then by where they first arrived; of events the first one stands.
"""

from __future__ import annotations

from sqlalchemy import Connection

from loader.contract.model import Table, UniqueRule
from loader.contract.types import identifier, literal
from loader.intake.judge import fault
from loader.intake.sql import equal, fetch, listed, run, same

_ACCEPTED = (
    "pg_temp.candidate as c where c._ok "
    "and not exists (select 1 from pg_temp.fault as f where f._row = c._row)"
)


def store(connection: Connection, table: Table, load_id: int) -> None:
    """Write the accepted rows; repeats go to ``repeated``, refusals to ``fault``.

    A refused duplicate value changes what the others leave behind, so the whole is done again
    without it until every ``unique`` rule holds.
    """
    rules = [r for r in table.unique_rules if r.severity == "error" and _beyond_key(table, r)]
    while True:
        savepoint = connection.begin_nested()
        _write(connection, table, load_id)
        clashes = [clash for rule in rules for clash in _clashes(connection, table, rule, load_id)]
        if not clashes:
            savepoint.commit()
            return
        savepoint.rollback()
        values = ", ".join(
            f"({row}, 'rejected', {literal(faults)}::jsonb)" for row, faults in _once(clashes)
        )
        run(connection, f"insert into pg_temp.fault values {values}")


def count_clashes(
    connection: Connection, table: Table, rule: UniqueRule, load_id: int
) -> tuple[int, int | None]:
    """How many rows of this load break a ``unique`` rule that only warns, and the first."""
    if not _beyond_key(table, rule):
        return 0, None
    rows = [row for row, _ in _clashes(connection, table, rule, load_id)]
    return len(rows), min(rows, default=None)


def _once(clashes: list[tuple[int, str]]) -> list[tuple[int, str]]:
    first: dict[int, str] = {}
    for row, faults in clashes:
        first.setdefault(row, faults)
    return list(first.items())


def _beyond_key(table: Table, rule: UniqueRule) -> bool:
    """The primary key sees to rules that contain it."""
    return bool(table.primary_key) and not set(table.primary_key) <= set(rule.columns)


def _clashes(
    connection: Connection, table: Table, rule: UniqueRule, load_id: int
) -> list[tuple[int, str]]:
    """(row, faults) of this load's rows whose value a row before them holds."""
    where = f"({rule.where}) is true" if rule.where else "true"
    scope = f"select *, ({where}) as _judged from {table.mirror}"
    key = " || ', ' || ".join(f"o.{identifier(k)}::text" for k in table.primary_key)
    value = " || ', ' || ".join(f"m.{identifier(c)}::text" for c in rule.columns)
    column = rule.columns[0] if len(rule.columns) == 1 else None
    made = fault(column, rule.name, "is already taken", value)
    named = ", ".join(table.primary_key)
    found = fetch(
        connection,
        f"select m._row, jsonb_build_array({made} || jsonb_build_object('message', "
        f"{literal(f'must be unique, and stands already in the row with {named} ')} || {key}))"
        "::text "
        f"from ({scope}) as m inner join ({scope}) as o "
        f"on {equal(rule.columns, 'o', 'm')} and not ({equal(table.primary_key, 'o', 'm')}) "
        f"where m._load_id = {load_id} and m._judged and o._judged "
        f"and (o._load_id <> {load_id} or o._row < m._row) order by m._row",
    )
    return [(row[0], row[1]) for row in found]


def _write(connection: Connection, table: Table, load_id: int) -> None:
    columns = listed(table.column_names)
    expected = fetch(connection, f"select count(*) from {_ACCEPTED}")[0][0]
    written = run(
        connection,
        f"insert into {table.mirror} ({columns}, _load_id, _row, _loaded_at) "
        f"select {columns}, {load_id}, c._row, transaction_timestamp() from {_ACCEPTED} "
        "on conflict do nothing",
    )
    if written != expected:
        _settle_contested(connection, table, load_id)


def _settle_contested(connection: Connection, table: Table, load_id: int) -> None:
    """Put the versions of contested keys in order and write what follows."""
    _gather(connection, table, load_id)
    verdict = _events(table) if table.load == "events" else _versions(table)
    run(connection, f"create temp table ranked on commit drop as {verdict}")
    columns, key = listed(table.column_names), table.primary_key
    _write_verdicts(connection, table)
    run(
        connection,
        f"insert into {table.history} ({columns}, _load_id, _row, _loaded_at, "
        "_written_load_id, _written_at, _reason) "
        f"select {columns}, _load_id, _row, _loaded_at, {load_id}, transaction_timestamp(), "
        "_reason from pg_temp.ranked where _reason is not null",
    )
    run(
        connection,
        f"delete from {table.mirror} as m using pg_temp.ranked as r "
        f"where {equal(key, 'm', 'r')} and not r._new and r._reason is not null",
    )
    run(
        connection,
        f"insert into {table.mirror} ({columns}, _load_id, _row, _loaded_at) "
        f"select {columns}, _load_id, _row, _loaded_at from pg_temp.ranked "
        "where _new and _wins",
    )
    run(connection, "drop table pg_temp.contest, pg_temp.ranked")


def _gather(connection: Connection, table: Table, load_id: int) -> None:
    """``contest``: every version of the contested keys, new and current, with its arrival."""
    key = listed(table.primary_key)
    columns = table.column_names
    run(
        connection,
        "create temp table contested on commit drop as "
        f"select distinct {listed(table.primary_key, 'c')} from {_ACCEPTED} "
        f"and not exists (select 1 from {table.mirror} as m where "
        f"{equal(table.primary_key, 'm', 'c')} and m._load_id = {load_id} and m._row = c._row)",
    )
    run(connection, "analyze pg_temp.contested")
    run(
        connection,
        f"delete from {table.mirror} as m using pg_temp.contested as k "
        f"where {equal(table.primary_key, 'm', 'k')} and m._load_id = {load_id}",
    )
    run(
        connection,
        "create temp table contest on commit drop as "
        f"select {listed(columns, 'c')}, {load_id}::bigint as _load_id, c._row, "
        "transaction_timestamp() as _loaded_at, true as _new, "
        f"coalesce(a.load_id, {load_id}) as _first_load_id, coalesce(a.row, c._row) as _first_row "
        f"from pg_temp.contested inner join (select c.* from {_ACCEPTED}) as c using ({key}) "
        "left join pg_temp.arrived as a on a._row = c._row "
        "union all "
        f"select {listed(columns, 'm')}, m._load_id, m._row, m._loaded_at, false, "
        "coalesce(r.first_load_id, m._load_id), coalesce(r.first_row, m._row) "
        f"from pg_temp.contested inner join {table.mirror} as m using ({key}) "
        "left join ledger.rejects as r "
        "on r.resolved_load_id = m._load_id and r.resolved_row = m._row",
    )
    run(connection, "drop table pg_temp.contested")


_ARRIVAL = "_first_load_id, _first_row"


def _versions(table: Table) -> str:
    """SQL that says of each version: does it win, repeat another, and why it is history."""
    key, columns = listed(table.primary_key), listed(table.column_names)
    if table.valid_from is not None:
        order = f"{identifier(table.valid_from)}, {_ARRIVAL}"
        in_history = (
            f"exists (select 1 from {table.history} as h "
            f"where {equal(table.primary_key, 'h', 'v')} "
            f"and {same(table.column_names, 'h', 'v')} "
            f"and not exists (select 1 from {table.history} as u where u._reason = 'undone' "
            "and u._load_id = h._load_id and u._row = h._row))"
        )
        repeats = (
            f"select v.*, v._new and (row_number() over (partition by {columns} "
            f"order by v._new, {_ARRIVAL}) > 1 or {in_history}) as _repeats "
            "from pg_temp.contest as v"
        )
    else:
        order = _ARRIVAL
        before = "lag(row({})) over (partition by {} order by {})".format(columns, key, order)
        repeats = (
            f"select v.*, v._new and coalesce(row({columns}) is not distinct from {before}, false) "
            f"and lag(true) over (partition by {key} order by {order}) is not null as _repeats "
            "from pg_temp.contest as v"
        )
    ranked = (
        f"select v.*, row_number() over (partition by {key} order by {order}) as _place, "
        f"count(*) over (partition by {key}) as _places "
        f"from ({repeats}) as v where not v._repeats"
    )
    seen = (
        f"select v.*, max(_place) over (partition by {key} order by _new, {_ARRIVAL} "
        "rows between unbounded preceding and 1 preceding) as _seen "
        f"from ({ranked}) as v"
    )
    return (
        f"select {columns}, _load_id, _row, _loaded_at, _new, _place = _places as _wins, "
        "false as _repeats, null::jsonb as _conflict, "
        "case when _place = _places then null "
        "when _seen > _place then 'older' else 'replaced' end as _reason "
        f"from ({seen}) as v "
        "union all "
        f"select {columns}, _load_id, _row, _loaded_at, _new, false, true, null, null "
        f"from ({repeats}) as v where v._repeats"
    )


def _events(table: Table) -> str:
    """SQL for events: the first stands, an equal one repeats it, another is refused."""
    key = listed(table.primary_key)
    order = f"order by _new, {_ARRIVAL}"
    stands = (
        f"select v.*, row_number() over (partition by {key} {order}) = 1 as _first, "
        f"first_value(_load_id) over (partition by {key} {order}) as _standing_load_id, "
        f"first_value(_row) over (partition by {key} {order}) as _standing_row "
        "from pg_temp.contest as v"
    )
    differing = ", ".join(
        f"case when v.{c.sql} is distinct from s.{c.sql} then {literal(c.name)} end"
        for c in table.columns
    )
    message = (
        f"{literal('the event is immutable and stands already: load ')} || v._standing_load_id "
        f"|| ', row ' || v._standing_row || {literal('; this one differs in ')} "
        f"|| array_to_string(array_remove(array[{differing}], null), ', ')"
    )
    conflict = (
        "jsonb_build_array(jsonb_build_object('column', null, 'rule', 'event_conflict', "
        f"'message', {message}, 'value', null))"
    )
    equal_rows = same(table.column_names, "v", "s")
    return (
        f"with stands as ({stands}) "
        f"select {listed(table.column_names, 'v')}, v._load_id, v._row, v._loaded_at, v._new, "
        f"v._first as _wins, not v._first and {equal_rows} as _repeats, "
        f"case when not v._first and not ({equal_rows}) then {conflict} end as _conflict, "
        "null::text as _reason "
        "from stands as v inner join stands as s "
        f"on {equal(table.primary_key, 's', 'v')} and s._first"
    )


def _write_verdicts(connection: Connection, table: Table) -> None:
    run(connection, "insert into pg_temp.repeated select _row from pg_temp.ranked where _repeats")
    if table.load == "events":
        run(
            connection,
            "insert into pg_temp.fault select _row, 'rejected', _conflict "
            "from pg_temp.ranked where _conflict is not null",
        )
