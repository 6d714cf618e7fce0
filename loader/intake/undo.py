"""Undo a load: its versions are none any more, and what they had replaced stands again.

An undo is itself a load, of door ``undo``, with the one that it undoes as its cause; the history's
entries that it writes carry its number. What the load brought is retracted wherever it is by now:
current, in the history, come in later by a release or replay, or still kept in the ledger. Later
loads stay as they are. Whoever loses the parent by it waits again.

An undo is undone as any load is: what it retracted is restored, and rows it had set to waiting come
in by themselves, with their parents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from loader.contract.model import Contract, Table
from loader.intake import landing, lineage
from loader.intake.aftermath import Aftermath, Bereft, CanNotStand, key_text
from loader.intake.attempt import Waiting, attempt
from loader.intake.receipt import Receipt
from loader.intake.settle import Options, brought, judge_kept, lock, release
from loader.intake.sql import equal, fetch, listed, run
from loader.ledger import loads
from loader.ledger.loads import Origin
from loader.ledger.models import Load

_NAMED = 3


class NoSuchLoad(Exception):
    """There is no load of that number."""


class UndoRefused(Exception):
    """Nothing was changed; the sentence says why, and the plan (if one was made) what it would be."""

    def __init__(self, message: str, plan: Plan | None = None) -> None:
        self.plan = plan
        super().__init__(message)


@dataclass(frozen=True)
class Later:
    """A later load that brought versions of the same keys, which stay as they are."""

    load_id: int
    keys: int


@dataclass(frozen=True)
class Plan:
    """What an undo changes. Counts are rows; ``keys`` are of rows that go, the first few."""

    load_id: int
    source: str
    table: str
    #: Versions (or deletes) taken back, current or not.
    retracted: int
    #: Versions that an undo had taken back, and that stand or count again.
    restored: int
    #: Keys that stood in the table and do not any more; those that another version stands for again.
    gone: int
    standing_again: int
    keys: tuple[str, ...]
    #: Kept rows of the load (waiting or rejected) that will not come in any more.
    dismissed: int
    waiting: tuple[Bereft, ...]
    released: int
    later: tuple[Later, ...]

    @property
    def needs_cascade(self) -> tuple[Bereft, ...]:
        """Rows that stand under what goes, and that other loads brought."""
        return tuple(part for part in self.waiting if not part.released)

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON."""
        return {
            **{name: value for name, value in vars(self).items() if name not in ("waiting", "later", "keys")},
            "keys": list(self.keys),
            "waiting": [{**vars(part), "keys": list(part.keys)} for part in self.waiting],
            "later": [vars(part) for part in self.later],
            "needs_cascade": bool(self.needs_cascade),
        }


@dataclass(frozen=True)
class Undone:
    """The receipt of the undo (``repeated`` if it had been done before), and what it changed."""

    receipt: Receipt
    plan: Plan | None


def undo(
    engine: Engine,
    contract: Contract,
    load_id: int,
    principal: str,
    cascade: str | None = None,
    dry_run: bool = False,
    *,
    lock_seconds: float | None = None,
    waiting: Waiting | None = None,
) -> Undone:
    """Undo a load, or say what that would change (``dry_run``).

    Received are the versions retracted or restored; of a replay they are rejected, for its rows
    are kept again, to be mended. Rows under what goes that other loads brought are a reason to
    refuse, unless ``cascade`` is ``wait``. Raises :class:`NoSuchLoad` and :class:`UndoRefused`;
    then nothing has changed. Raises :class:`~loader.intake.attempt.LoadFailed` as
    :func:`~loader.intake.attempt.attempt` does, whose are ``lock_seconds`` and ``waiting``.
    """
    with engine.connect() as connection:
        table = _table(connection, contract, load_id)
    plan: Plan | None = None

    def work(connection: Connection) -> Receipt:
        nonlocal plan
        lock(connection, contract, table)
        try:
            undone = _undo(connection, contract, table, load_id, principal)
        except CanNotStand as error:
            raise UndoRefused(f"{error}. Undo the load that changed that first, or mend the row") from error
        plan = undone.plan
        if plan is not None and plan.needs_cascade and cascade is None and not dry_run:
            raise UndoRefused(_stand_under(plan), plan)
        return undone.receipt

    origin = Origin("undo", principal, cause_load_id=load_id)
    options = Options(dry_run=dry_run, cascade=cascade)
    receipt = attempt(engine, table, origin, options, work, lock_seconds=lock_seconds, waiting=waiting)
    return Undone(receipt, plan)


def _stand_under(plan: Plan) -> str:
    under = "; ".join(
        f"{part.rows:,} rows of {part.table} ({'; '.join(part.keys)}{'; …' if part.rows > len(part.keys) else ''})"
        for part in plan.needs_cascade
    )
    return (
        f"load {plan.load_id} brought parents of rows that other loads brought: {under}. "
        "Undo those first, or let the rows wait for their parents: cascade=wait"
    )


def _table(connection: Connection, contract: Contract, load_id: int) -> Table:
    load = connection.execute(sa.select(Load.source, Load.table_name).where(Load.load_id == load_id)).first()
    if load is None:
        raise NoSuchLoad(f"There is no load {load_id}.")
    table = contract.tables.get((load.source, load.table_name))
    if table is None:
        raise UndoRefused(
            f"load {load_id} is of {load.source}.{load.table_name}, which the contract does not have any more"
        )
    return table


def _undo(connection: Connection, contract: Contract, table: Table, load_id: int, principal: str) -> Undone:
    target = connection.execute(sa.select(Load.__table__).where(Load.load_id == load_id)).one()
    if target.undone_by_load_id is not None:
        receipt = loads.read_receipt(connection, target.undone_by_load_id)
        assert receipt is not None, "the ledger has what it refers to"
        return Undone(replace(receipt, repeated=True), None)
    _refuse_kinds(connection, target)
    origin = Origin("undo", principal, cause_load_id=load_id)
    undo_id = loads.open_load(connection, table, origin, "quarantine", contract.fingerprint)
    root, restores = _root(connection, target)
    aftermath = Aftermath(connection, contract, table, undo_id, undoes=load_id)
    if restores:
        _choose_restored(connection, table, root, load_id, undo_id)
    else:
        _choose_retracted(connection, table, root)
    counts = dict(fetch(connection, "select _word, count(*) from pg_temp.chosen group by _word"))
    retracted, restored = counts.get("undone", 0), counts.get("restored", 0)
    later = _later(connection, table, root.load_id)
    kept_again = _keep_again(connection, undo_id)
    _retract(connection, table, aftermath, undo_id)
    aftermath.settle_keys(table, "pg_temp.touched")
    gone, keys = _count_gone(connection, table, aftermath)
    standing_again = fetch(connection, f"select count(*) from {aftermath.fresh(table)}")[0][0]
    dismissed = 0 if restores else _dismiss(connection, root, undo_id)
    aftermath.follow()
    _mark(connection, target, undo_id)
    changed = restored if restores else retracted if root.door != "replay" else 0
    receipt = Receipt(
        undo_id, table.source, table.name, "undo", "succeeded", received=changed + kept_again,
        accepted=changed, waiting=0, rejected=kept_again, duplicates=0,
    )  # fmt: skip
    loads.close_load(connection, receipt)
    cascades = aftermath.close()
    releases = _judge_dismissed(connection, contract, table, root, load_id, undo_id) if restores else []
    changed = aftermath.renewed() + [(table, brought(r.load_id)) for r in releases if r.accepted and r.load_id]
    releases += release(connection, contract, changed, undo_id)
    loads.make_visible(connection, [undo_id, *(r.load_id for r in (*cascades, *releases) if r.load_id)])
    plan = Plan(
        load_id, table.source, table.name, retracted, restored, gone, standing_again, keys, dismissed,
        tuple(aftermath.bereft()), sum(r.accepted for r in releases), later,
    )  # fmt: skip
    entered = loads.read_receipt(connection, undo_id)
    assert entered is not None, "the undo was entered in this transaction"
    return Undone(entered, plan)


def _refuse_kinds(connection: Connection, target: sa.Row[Any]) -> None:
    """Loads that can't be undone: those that left nothing, and those that only followed another one."""
    load_id = target.load_id
    if target.status != "succeeded":
        raise UndoRefused(f"load {load_id} {target.status}: it changed nothing that could be undone")
    if target.door == "release":
        first = fetch(
            connection,
            f"select distinct first_load_id from ledger.rejects where resolved_load_id = {load_id} order by 1 limit 5",
        )
        brought = ", ".join(str(number) for (number,) in first)
        raise UndoRefused(
            f"load {load_id} let in rows that had been waiting, and would again; they came with load {brought}, "
            f"and what they waited for with load {target.cause_load_id}: undo one of these"
        )
    if target.door == "replay" and target.cause_load_id is not None:
        raise UndoRefused(
            f"load {load_id} judged rows again because load {target.cause_load_id} brought back what was undone: "
            "undo that one"
        )
    if target.door == "cascade":
        raise UndoRefused(
            f"load {load_id} set rows to waiting because load {target.cause_load_id} took their parents away: "
            "undo that one"
        )


def _root(connection: Connection, target: sa.Row[Any]) -> tuple[sa.Row[Any], bool]:
    """The load that brought the rows, at the end of a chain of undos; whether to undo the chain restores them."""
    root, restores = target, False
    while root.door == "undo":
        root = connection.execute(sa.select(Load.__table__).where(Load.load_id == root.cause_load_id)).one()
        restores = not restores
    return root, restores


def _choose_retracted(connection: Connection, table: Table, root: sa.Row[Any]) -> None:
    """``chosen``: the versions to retract, wherever they are by now, ``touched``, their keys, and ``kept``.

    ``kept`` are the ledger's entries of rows to be kept again: those that a replay took up, for who
    mends them. Who took a row up last has it: a later replay's rows stay.
    """
    came = f"first_load_id = {root.load_id}"
    if root.door == "replay":
        taken = f"select e.* from ledger.rejects as e where e.resolved_load_id = {root.load_id}"
        came = (
            "(first_load_id, first_row) in (select first_load_id, first_row from "
            f"({taken}) as e where {_last_replay('e')} = {root.load_id})"
        )
    resolved = f"select resolved_load_id, resolved_row from ledger.rejects where {came} and resolved_row is not null"
    own = f"_load_id = {root.load_id} or (_load_id, _row) in ({resolved})"
    versions = (
        f"select {_columns(table)}, true as _current from {table.mirror} where {own} "
        f"union all select {_columns(table)}, false from {table.history} where {own}"
    )
    once = f"select distinct on (_load_id, _row) * from ({versions}) as e order by _load_id, _row, _current desc"
    _choose(
        connection, table,
        f"select {_columns(table)}, 'undone' as _word from ({once}) as v "
        f"where _current or not {lineage.is_undone(table, 'v')}",
    )  # fmt: skip
    waiting = f"select reject_id from ledger.rejects where {came} and status = 'waiting'"
    let_in = (
        "select r.reject_id from ledger.rejects as r inner join pg_temp.chosen as c "
        "on c._load_id = r.resolved_load_id and c._row = r.resolved_row"
    )
    _choose_kept(connection, f"{let_in} union {waiting}" if root.door == "replay" else None)


def _choose_restored(connection: Connection, table: Table, root: sa.Row[Any], retracted_by: int, undo_id: int) -> None:
    """``chosen``: of the versions that an undo retracted, those to restore; ``touched`` and ``kept`` as ever.

    A row stands only as long as both the load that brought it and the replay that took it up last
    do: of a replay that was undone meanwhile the rows are kept again. Rows of a replay that was
    undone are kept in the ledger, and come in again from there: who was mended otherwise,
    dismissed or retracted since, stays so.
    """
    first = "coalesce(r.first_load_id, v._load_id), coalesce(r.first_row, v._row)"
    down = (
        f"from {table.history} as v left join ledger.rejects as r "
        "on r.resolved_load_id = v._load_id and r.resolved_row = v._row "
        f"where v._written_load_id = {retracted_by} and v._reason = 'undone' "
        f"and not exists (select 1 from {table.history} as e where e._load_id = v._load_id and e._row = v._row "
        f"and e._reason in ('undone', 'restored') and e._written_load_id > {retracted_by})"
    )
    if root.door == "replay":
        run(
            connection,
            f"update ledger.rejects set status = 'resolved', resolved_load_id = {undo_id}, "
            f"resolved_at = clock_timestamp() where load_id = {retracted_by} and status = 'rejected'",
        )
        stands = _was_kept(retracted_by, undo_id, first)
    else:
        stands = f"not {_replay_is_undone('r')}"
    _choose(connection, table, f"select {_columns(table, 'v')}, 'restored' as _word {down} and {stands}")
    _choose_kept(connection, f"select r.reject_id {down} and not {stands}" if root.door != "replay" else None)


def _was_kept(retracted_by: int, undo_id: int, first: str) -> str:
    """SQL that is true of a row, by where it first arrived, that one undo kept and the undo of that took up."""
    return (
        f"exists (select 1 from ledger.rejects as k where k.load_id = {retracted_by} "
        f"and k.resolved_load_id = {undo_id} and (k.first_load_id, k.first_row) = ({first}))"
    )


def _choose(connection: Connection, table: Table, source: str) -> None:
    run(connection, "drop table if exists pg_temp.chosen, pg_temp.touched")
    run(connection, f"create temp table chosen on commit drop as {source}")
    run(connection, "analyze pg_temp.chosen")
    key = listed(table.primary_key)
    run(connection, f"create temp table touched on commit drop as select distinct {key} from pg_temp.chosen")


def _choose_kept(connection: Connection, source: str | None) -> None:
    run(connection, "drop table if exists pg_temp.kept")
    run(connection, "create temp table kept (reject_id bigint) on commit drop")
    if source is not None:
        run(connection, f"insert into pg_temp.kept {source}")


def _columns(table: Table, alias: str = "") -> str:
    return listed((*table.column_names, "_load_id", "_row", "_loaded_at"), alias)


def _last_replay(alias: str) -> str:
    """SQL for the load by which somebody had the row of the ledger's entry judged again, the last one."""
    return (
        "(select max(n.resolved_load_id) from ledger.rejects as n inner join ledger.loads as l "
        "on l.load_id = n.resolved_load_id and l.door = 'replay' and l.cause_load_id is null "
        f"where n.first_load_id = {alias}.first_load_id and n.first_row = {alias}.first_row)"
    )


def _replay_is_undone(alias: str) -> str:
    """SQL that is true when that one was undone."""
    return (
        "exists (select 1 from ledger.loads as p where p.undone_by_load_id is not null "
        f"and p.load_id = {_last_replay(alias)})"
    )


def _later(connection: Connection, table: Table, load_id: int) -> tuple[Later, ...]:
    """Loads after it that brought versions of the same keys."""
    key = listed(table.primary_key)
    found = fetch(
        connection,
        f"select _load_id, count(distinct ({key})) from ({lineage.versions(table, 'pg_temp.touched')}) as v "
        f"where _load_id > {load_id} and (_load_id, _row) not in (select _load_id, _row from pg_temp.chosen) "
        "group by _load_id order by _load_id limit 100",
    )
    return tuple(Later(*row) for row in found)


def _keep_again(connection: Connection, undo_id: int) -> int:
    """The rows of ``kept`` are entered once more as they came, rejected, for whoever mends them."""
    faults = "jsonb_build_array(jsonb_build_object('column', null, 'rule', 'undone', 'message', said, 'value', null))"
    columns = "source, table_name, payload, first_load_id, first_row, key_digest"
    return run(
        connection,
        f"insert into ledger.rejects (load_id, row, status, rule, message, faults, {columns}) "
        f"select {undo_id}, row_number() over (order by first_load_id, first_row), 'rejected', 'undone', "
        f"said, {faults}, {columns} from (select r.*, "
        f"'was let in by load ' || {_last_replay('r')} || ', which was undone' as said "
        "from ledger.rejects as r where r.reject_id in (select reject_id from pg_temp.kept)) as r",
    )


def _retract(connection: Connection, table: Table, aftermath: Aftermath, undo_id: int) -> None:
    """Write the entries that name what is retracted or restored; retracted rows leave the mirror."""
    columns = f"{listed(table.column_names)}, _load_id, _row, _loaded_at"
    retracted = "(m._load_id, m._row) in (select _load_id, _row from pg_temp.chosen where _word = 'undone')"
    aftermath.take_away(table, "undone", retracted)
    entered = f"(c._load_id, c._row) in (select _load_id, _row from {aftermath.gone(table)})"
    run(
        connection,
        f"insert into {table.history} ({columns}, _written_load_id, _written_at, _reason) "
        f"select {columns}, {undo_id}, transaction_timestamp(), _word from pg_temp.chosen as c "
        f"where not {entered}",
    )


def _count_gone(connection: Connection, table: Table, aftermath: Aftermath) -> tuple[int, tuple[str, ...]]:
    """How many keys stand no more, and the first of them."""
    found = fetch(
        connection,
        f"select count(*), (array_agg({key_text(table, 'g')} order by g._load_id, g._row))[:{_NAMED}] "
        f"from {aftermath.gone(table)} as g "
        f"where not exists (select 1 from {table.mirror} as m where {equal(table.primary_key, 'm', 'g')})",
    )
    return found[0][0], tuple(found[0][1] or ())


def _dismiss(connection: Connection, root: sa.Row[Any], undo_id: int) -> int:
    """Rows of the load that are kept do not come in any more, by who undid; of a replay, those kept again."""
    these = "reject_id in (select reject_id from pg_temp.kept)"
    if root.door != "replay":
        these = f"first_load_id = {root.load_id}"
    return run(
        connection,
        f"update ledger.rejects set status = 'dismissed', resolved_load_id = {undo_id}, "
        "resolved_at = clock_timestamp(), dismissed_at = clock_timestamp(), "
        f"dismissed_by = (select principal from ledger.loads where load_id = {undo_id}), "
        f"dismissed_why = 'undone by load {undo_id}' where {these} and status in ('waiting', 'rejected')",
    )


def _judge_dismissed(
    connection: Connection, contract: Contract, table: Table, root: sa.Row[Any], retracted_by: int, undo_id: int
) -> list[Receipt]:
    """When an undo is undone: rows that it had dismissed are judged again, by a load of door ``replay``."""
    dismissed = f"r.status = 'dismissed' and r.resolved_load_id = {retracted_by}"
    if root.door == "replay":
        dismissed += f" and {_was_kept(retracted_by, undo_id, 'r.first_load_id, r.first_row')}"
    may_come = f"({landing.is_whole(table, 'r')} and not {_replay_is_undone('r')})"
    run(
        connection,
        "update ledger.rejects as r set status = 'rejected', resolved_load_id = null, resolved_at = null, "
        f"{landing.NOT_DISMISSED} where {dismissed} and not {may_come}",
    )
    chosen = f"select r.reject_id from ledger.rejects as r where {dismissed}"
    if not fetch(connection, f"select exists ({chosen})")[0][0]:
        return []
    origin = Origin("replay", "gatehouse", cause_load_id=undo_id)
    return [judge_kept(connection, contract, table, chosen, origin)]


def _mark(connection: Connection, target: sa.Row[Any], undo_id: int) -> None:
    """The load stands no more; if it was an undo, what that had undone stands again, and so on."""
    by: int | None = undo_id
    marked: sa.Row[Any] | None = target
    while marked is not None:
        if by is None and marked.idempotency_key is not None:
            _refuse_second_key(connection, marked)
        connection.execute(sa.update(Load).where(Load.load_id == marked.load_id).values(undone_by_load_id=by))
        if marked.door != "undo":
            return
        by = marked.load_id if by is None else None
        marked = connection.execute(sa.select(Load.__table__).where(Load.load_id == marked.cause_load_id)).first()


def _refuse_second_key(connection: Connection, load: sa.Row[Any]) -> None:
    other = connection.scalar(
        sa.select(Load.load_id).where(
            Load.source == load.source, Load.table_name == load.table_name, Load.load_id != load.load_id,
            Load.principal == load.principal,
            Load.idempotency_key == load.idempotency_key, Load.status != "failed", Load.undone_by_load_id.is_(None),
        )
    )  # fmt: skip
    if other is not None:
        raise UndoRefused(
            f"load {load.load_id} would stand again, and load {other} came with the same Idempotency-Key since: "
            "undo that one first"
        )
