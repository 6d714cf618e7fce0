"""Store what was let in of the rest: the mirror keeps one current row a key, the history others.

Rows go into the mirror where they can; only keys that are contested (by a standing version, or
twice in the load) are then put in order. Versions are ordered by ``valid_from`` where there
is one, then by where they first arrived; of events the first one stands.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Self

from sqlalchemy import Connection

from loader.contract.model import Table, UniqueRule
from loader.contract.types import identifier, literal
from loader.intake import landing, lineage
from loader.intake.judge import fault
from loader.intake.pending import not_let_in, pending
from loader.intake.row_set import RowSet
from loader.intake.sql import cursor, equal, fetch, listed, run, same


def judges_unique(table: Table) -> bool:
    """Whether a ``unique`` rule that refuses goes beyond the primary key."""
    return any(r.severity == "error" and _beyond_key(table, r) for r in table.unique_rules)


def store(connection: Connection, table: Table, load_id: int, after_refusal: Callable[[], None]) -> None:
    """Write the accepted rows of ``candidate``; repeats go to ``repeated``, refusals to ``fault``.

    A refused duplicate value changes what the others leave behind, so this is done again
    without it until every ``unique`` rule holds, and no row is refused for a value that nobody
    holds in the end. ``after_refusal`` is called before each time.

    A row is tried again once: where a table refers to itself too, one row's coming in may take
    away the reason for which it could, and so on without end.
    """
    rules = [r for r in table.unique_rules if r.severity == "error" and _beyond_key(table, r)]
    if not rules:
        _write(connection, table, load_id)
        return
    run(connection, "create temp table tried_again (_row bigint primary key) on commit drop")
    while True:
        savepoint = connection.begin_nested()
        _write(connection, table, load_id)
        with _Clashing() as clashing, _Rows() as in_vain:
            clashing.read(connection, " union all ".join(_clashes(table, rule, load_id) for rule in rules))
            if not clashing.count:
                _give_reasons(connection, table, rules)
                in_vain.read(connection, _IN_VAIN)
            if not clashing.count and not in_vain.count:
                _refuse_for_good(connection, rules[0])
                run(connection, "drop table pg_temp.tried_again")  # another load may follow in this transaction
                savepoint.commit()
                return
            savepoint.rollback()
            if clashing.count:
                _refuse(connection, table, load_id, clashing)
            else:
                in_vain.write_to(connection, "pg_temp.tried_again (_row)")
                run(connection, "delete from pg_temp.fault where _row in (select _row from pg_temp.tried_again)")
        after_refusal()


#: Refused as not unique, and nobody stands in their way.
_IN_VAIN = (
    "select _row from pg_temp.fault where verdict = 'clash' and _row not in (select _row from pg_temp.tried_again)"
)


class _Rows:
    """Row numbers on their way past a rollback, in a temporary file when they are many."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=8 << 20, mode="w+b")  # noqa: SIM115 - see __exit__
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, connection: Connection, query: str) -> None:
        """Take what the query gives."""
        with cursor(connection) as copying:
            copying.copy_expert(f"copy ({query}) to stdout", self)

    def write(self, piece: bytes) -> int:
        """A piece of what COPY says: of its lines, a row each."""
        self.count += piece.count(b"\n")
        return self._file.write(piece)

    def write_to(self, connection: Connection, into: str) -> None:
        """Bring them into a relation with a column for each number."""
        self._file.seek(0)
        with cursor(connection) as copying:
            copying.copy_expert(f"copy {into} from stdin", self._file)


class _Clashing(_Rows):
    """Of rows that clash, in their order, those to refuse: not who clashes only with one refused here.

    A line is a row and the row of this load that holds its value, if it is one of this load.
    """

    def __init__(self) -> None:
        super().__init__()
        self._refused = RowSet()
        self._begun = b""

    def read(self, connection: Connection, query: str) -> None:
        super().read(connection, f"{query} order by 1")

    def write(self, piece: bytes) -> int:
        lines = (self._begun + piece).split(b"\n")
        self._begun = lines.pop()
        for line in lines:
            row, _, holder = line.partition(b"\t")
            if holder == b"\\N" or int(holder) not in self._refused:
                if int(row) not in self._refused:
                    super().write(row + b"\n")
                self._refused.add(int(row))
        return len(piece)


def _refuse(connection: Connection, table: Table, load_id: int, clashing: _Clashing) -> None:
    """Refuse rows; who clashes only with one of them is asked again."""
    run(connection, "create temp table clash (_row bigint) on commit drop")
    clashing.write_to(connection, "pg_temp.clash")
    run(connection, "insert into pg_temp.fault (_row, verdict) select _row, 'clash' from pg_temp.clash")
    run(connection, "drop table pg_temp.clash")
    columns = listed(table.column_names)
    run(
        connection,
        f"with taken_back as (delete from {table.mirror} as m using pg_temp.fault as f "
        f"where m._load_id = {load_id} and m._row = f._row returning m.*) "
        f"insert into pg_temp.candidate (_row, {columns}, _ok) select _row, {columns}, true from taken_back",
    )


def _give_reasons(connection: Connection, table: Table, rules: list[UniqueRule]) -> None:
    """Say of the rows refused as not unique who stands in their way."""
    if not fetch(connection, "select 1 from pg_temp.fault where verdict = 'clash' limit 1"):
        return
    reasons = " union all ".join(_reasons(table, rule, place) for place, rule in enumerate(rules))
    run(
        connection,
        "update pg_temp.fault as f set verdict = 'rejected', faults = r.faults from "
        f"(select _row, jsonb_agg(fault order by place) as faults from ({reasons}) as r group by _row) as r "
        "where r._row = f._row and f.verdict = 'clash'",
    )


def _refuse_for_good(connection: Connection, rule: UniqueRule) -> None:
    """Rows tried again in vain, in whose way nobody stands as long as they are refused."""
    made = fault(None, rule.name, "must be unique, and would not be if it were let in with what then comes in")
    run(
        connection,
        f"update pg_temp.fault set verdict = 'rejected', faults = jsonb_build_array({made}) where verdict = 'clash'",
    )


def _reasons(table: Table, rule: UniqueRule, place: int) -> str:
    """SQL for (_row, place, fault) of the rows that clash by ``rule`` with what stands in the mirror."""
    judged = f"({rule.where}) is true" if rule.where else "true"
    key = " || ', ' || ".join(f"o.{identifier(k)}::text" for k in table.primary_key)
    value = " || ', ' || ".join(f"c.{identifier(c)}::text" for c in rule.columns)
    column = rule.columns[0] if len(rule.columns) == 1 else None
    made = fault(column, rule.name, "is already taken", value)
    words = literal(f"must be unique, and stands already in the row with {', '.join(table.primary_key)} ")
    return (
        f"select c._row, {place} as place, {made} || jsonb_build_object('message', {words} || {key}) as fault "
        f"from (select * from pg_temp.candidate where _ok and {judged}) as c "
        "inner join pg_temp.fault as f on f._row = c._row and f.verdict = 'clash' "
        f"inner join (select * from {table.mirror} where {judged}) as o "
        f"on {equal(rule.columns, 'o', 'c')} and not ({equal(table.primary_key, 'o', 'c')})"
    )


def count_clashes(connection: Connection, table: Table, rule: UniqueRule, load_id: int) -> tuple[int, int | None]:
    """How many rows of this load break a ``unique`` rule that only warns, and the first."""
    if not _beyond_key(table, rule):
        return 0, None
    counted = f"select count(*), min(_row) from ({_clashes(table, rule, load_id)}) as clash"
    rows, first = fetch(connection, counted)[0]
    return rows, first


def _beyond_key(table: Table, rule: UniqueRule) -> bool:
    """The primary key sees to rules that contain it."""
    return bool(table.primary_key) and not set(table.primary_key) <= set(rule.columns)


def _clashes(table: Table, rule: UniqueRule, load_id: int) -> str:
    """SQL for this load's rows whose value a row before them holds: one that stood, or the load's first.

    With the row that holds it, if that is one of this load.
    """
    columns = listed(rule.columns)
    judged = f"({rule.where}) is true" if rule.where else "true"
    return (
        f"select _row, case when _holder_load_id = {load_id} then _holder_row end as _holder from ("
        "select _row, _load_id, row_number() over w as _place, first_value(_row) over w as _holder_row, "
        f"first_value(_load_id) over w as _holder_load_id from {table.mirror} "
        f"where {judged} and ({columns}) in "
        f"(select {columns} from {table.mirror} where _load_id = {load_id}) "
        f"window w as (partition by {columns} order by _load_id = {load_id}, _load_id, _row)) as held "
        f"where _place > 1 and _load_id = {load_id}"
    )


def _write(connection: Connection, table: Table, load_id: int) -> None:
    columns = listed(table.column_names)
    expected = fetch(connection, f"select count(*) from {landing.ACCEPTED}")[0][0]
    if expected >= landing.BULK:
        expected -= _take_repeats(connection, table, load_id)
    written = run(
        connection,
        f"insert into {table.mirror} ({columns}, _load_id, _row, _loaded_at) "
        f"select {columns}, {load_id}, c._row, transaction_timestamp() from {landing.ACCEPTED} "
        f"and not {lineage.was_deleted(table, 'c')} on conflict do nothing",
    )
    if written != expected:
        _settle_contested(connection, table, load_id)


def _take_repeats(connection: Connection, table: Table, load_id: int) -> int:
    """Of many candidates, take those that are the standing version of their key again; how many.

    One by one they would be put in order only to find that nothing is changed.
    """
    unsettled, is_alone = "select", "true"
    if table.ordered_by_arrival:
        # what came before in this load, or arrived before what stands, or may come between them, changes it
        unsettled = f"{pending(table, 'pg_temp.candidate')} union all {not_let_in(table, load_id)}"
        is_alone = (
            "not exists (select 1 from pg_temp.candidate as o "
            f"where o._row <> c._row and {equal(table.primary_key, 'o', 'c')}) "
            f"and not exists (select 1 from unsettled as u where {equal(table.primary_key, 'u', 'c')} "
            f"and not (u._known and {same(table.column_names, 'u', 'c')})) "
            "and not exists (select 1 from pg_temp.arrived)"
        )
    return run(
        connection,
        f"with unsettled as materialized ({unsettled}), "
        f"taken as (delete from pg_temp.candidate as c using {table.mirror} as m "
        f"where {equal(table.primary_key, 'm', 'c')} and m._load_id <> {load_id} "
        f"and {same(table.column_names, 'm', 'c')} and {is_alone} and {landing.STANDS} returning c._row) "
        "insert into pg_temp.repeated select _row from taken",
    )


def _settle_contested(connection: Connection, table: Table, load_id: int) -> None:
    """Put the versions of contested keys in order and write what follows."""
    _gather(connection, table, load_id)
    if table.load == "events":
        _rank_events(connection, table)
    else:
        _rank_versions(connection, table, load_id)
    columns, key = listed(table.column_names), table.primary_key
    run(
        connection,
        f"insert into {table.history} ({columns}, _load_id, _row, _loaded_at, "
        "_written_load_id, _written_at, _reason) "
        f"select {columns}, _load_id, _row, _loaded_at, {load_id}, transaction_timestamp(), "
        "_reason from pg_temp.ranked where _reason is not null and not _gone",
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
    """``contest``: every version of the contested keys, new and standing, with its arrival.

    Of a key that is gone the delete stands (``_gone``), for which an older row is too late.
    Those of this load that stand in the mirror already are taken out again.
    """
    key, columns = table.primary_key, table.column_names
    in_mirror = (
        f"exists (select 1 from {table.mirror} as m where {equal(key, 'm', 'c')} "
        f"and m._load_id = {load_id} and m._row = c._row)"
    )
    run(
        connection,
        "create temp table contested on commit drop as "
        f"select distinct {listed(key, 'c')} from {landing.ACCEPTED} and not {in_mirror}",
    )
    run(connection, "analyze pg_temp.contested")
    versions = (
        f"select {listed(columns, 'c')}, {load_id}::bigint as _load_id, c._row, "
        f"transaction_timestamp() as _loaded_at, false as _gone from {landing.ACCEPTED} and not {in_mirror} "
        f"union all select {listed(columns, 'm')}, m._load_id, m._row, m._loaded_at, false "
        f"from {table.mirror} as m inner join pg_temp.contested as k on {equal(key, 'm', 'k')} "
        f"union all select {listed(columns, 'd')}, d._load_id, d._row, d._loaded_at, true "
        f"from ({lineage.tombstones(table, 'pg_temp.contested')}) as d"
    )
    run(
        connection,
        "create temp table contest on commit drop as "
        f"select v.*, v._load_id = {load_id} as _new, "
        "coalesce(r.first_load_id, v._load_id) as _first_load_id, "
        f"coalesce(r.first_row, v._row) as _first_row from ({versions}) as v "
        "left join ledger.rejects as r "
        "on r.resolved_load_id = v._load_id and r.resolved_row = v._row",
    )
    run(
        connection,
        f"delete from {table.mirror} as m using pg_temp.contested as k "
        f"where {equal(key, 'm', 'k')} and m._load_id = {load_id}",
    )
    run(connection, "drop table pg_temp.contested")


_ARRIVAL = "_first_load_id, _first_row"
_BEFORE = "(o._new, o._first_load_id, o._first_row) < (v._new, v._first_load_id, v._first_row)"


def _rank_versions(connection: Connection, table: Table, load_id: int) -> None:
    """``ranked``: of each version, whether it wins, and why it is history if it does not."""
    key, columns = listed(table.primary_key), listed(table.column_names)
    if table.valid_from is not None:
        order = f"{identifier(table.valid_from)}, {_ARRIVAL}"
        repeats = _repeats_by_valid_from(table)
    else:
        order = _ARRIVAL
        repeats = _repeats_by_arrival(table, load_id)
    run(connection, f"insert into pg_temp.repeated {repeats}")
    fresh = "not (v._new and exists (select 1 from pg_temp.repeated as r where r._row = v._row))"
    versions = (
        f"select v.* from pg_temp.contest as v where {fresh} and ({listed(table.primary_key, 'v')}) "
        f"in (select {key} from pg_temp.contest as v where v._new and {fresh})"
    )
    placed = (
        f"select v.*, row_number() over (partition by {key} order by {order}) as _place, "
        f"count(*) over (partition by {key}) as _places from ({versions}) as v"
    )
    seen = (
        f"select v.*, max(_place) over (partition by {key} order by _new, {_ARRIVAL} "
        "rows between unbounded preceding and 1 preceding) as _seen "
        f"from ({placed}) as v"
    )
    run(
        connection,
        "create temp table ranked on commit drop as "
        f"select {columns}, _load_id, _row, _loaded_at, _gone, _new, _place = _places as _wins, "
        "case when _place = _places then null "
        "when _seen > _place then 'older' else 'replaced' end as _reason "
        f"from ({seen}) as v",
    )


def _repeats_by_valid_from(table: Table) -> str:
    """SQL for rows equal to a version at the same ``valid_from``, standing or before them."""
    assert table.valid_from is not None
    same_moment = equal((*table.primary_key, table.valid_from), "o", "v")
    equals = same(table.column_names, "o", "v")
    return (
        "select v._row from pg_temp.contest as v where v._new and "
        f"exists (select 1 from pg_temp.contest as o where {same_moment} and {equals} "
        f"and not o._gone and {_BEFORE}) "
        "union "
        "select v._row from pg_temp.contest as v where v._new and "
        f"exists (select 1 from {table.history} as o where {same_moment} and {equals} "
        f"and not {lineage.is_tombstone('o')} and not {lineage.is_undone(table, 'o')})"
    )


def _repeats_by_arrival(table: Table, load_id: int) -> str:
    """SQL for rows that change nothing: equal to the version that arrived just before them.

    Before them may lie an older version, where a row arrived before what stands, and a row that
    does not count yet (see :mod:`~loader.intake.pending`): equal rows are a stretch, and one repeats
    another of its stretch that counts.
    """
    key, columns = listed(table.primary_key), listed(table.column_names)
    arrival = "_first_load_id, _first_row"
    known = (
        f"select {columns}, {arrival}, _row, _new, not _gone as _counts, not _gone as _known from pg_temp.contest "
        f"union all select {columns}, {arrival}, null, false, not _gone, not _gone "
        f"from ({lineage.versions(table, 'pg_temp.contest')}) as v "
        "where not _current and exists (select 1 from pg_temp.arrived) "
        f"union all select {columns}, {arrival}, null, false, false, _known from ("
        f"{pending(table, 'pg_temp.contest')} union all {not_let_in(table, load_id)}) as p"
    )
    order = f"partition by {key} order by {arrival}, _new, _counts"
    changes = (
        f"select *, (_known and lag(_known) over w and row({columns}) is not distinct from lag(row({columns})) over w) "
        f"is not true as _changes from ({known}) as known window w as ({order})"
    )
    stretches = f"select *, count(*) filter (where _changes) over ({order}) as _stretch from ({changes}) as v"
    return (
        f"select _row from (select _row, _new, bool_or(_counts) over (partition by {key}, _stretch "
        f"order by {arrival}, _new, _counts rows between unbounded preceding and 1 preceding) as _repeats "
        f"from ({stretches}) as v) as v where _new and _repeats"
    )


def _rank_events(connection: Connection, table: Table) -> None:
    """``ranked``: of events the first stands, an equal one repeats it, another is refused."""
    key = listed(table.primary_key)
    window = f"over (partition by {key} order by _new, {_ARRIVAL})"
    run(
        connection,
        "create temp table ranked on commit drop as "
        f"select v.*, row_number() {window} = 1 as _wins, null::text as _reason "
        "from pg_temp.contest as v",
    )
    differing = ", ".join(
        f"case when v.{c.sql} is distinct from s.{c.sql} then {literal(c.name)} end" for c in table.columns
    )
    message = (
        f"{literal('the event is immutable and stands already: load ')} || s._load_id "
        f"|| ', row ' || s._row || {literal('; this one differs in ')} "
        f"|| array_to_string(array_remove(array[{differing}], null), ', ')"
    )
    against = (
        "from pg_temp.ranked as v inner join pg_temp.ranked as s "
        f"on {equal(table.primary_key, 's', 'v')} and s._wins where not v._wins"
    )
    equals = same(table.column_names, "v", "s")
    run(
        connection,
        f"insert into pg_temp.repeated select v._row {against} and {equals}",
    )
    run(
        connection,
        "insert into pg_temp.fault select v._row, 'rejected', "
        "jsonb_build_array(jsonb_build_object('column', null, 'rule', 'event_conflict', "
        f"'message', {message}, 'value', null)) {against} and not ({equals})",
    )
