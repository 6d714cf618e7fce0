"""Settle a load: locks, number, verdicts, rows, rejects, receipt, and what follows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, NestedTransaction

from loader.contract.model import Contract, Table
from loader.contract.types import literal
from loader.intake import landing, lineage, parents, store
from loader.intake.admit import admit
from loader.intake.bulk import ReadAgain, land_refused
from loader.intake.judge import judge_rows
from loader.intake.pending import from_payload, key_digest, not_let_in, pending, typed
from loader.intake.receipt import LISTED, REASONS, Reason, Receipt, RowFault
from loader.intake.sql import cursor, fetch, listed, refresh_statistics, run
from loader.intake.warned import find_warnings, let_in
from loader.ledger import loads
from loader.ledger.loads import Origin


@dataclass(frozen=True)
class Options:
    """How a load treats rows that can't come in."""

    on_reject: str = "quarantine"
    dry_run: bool = False
    #: `load`, or `delete`: the rows are keys, and what stands under them goes.
    op: str = "load"
    #: `wait`: rows whose parent goes are set to waiting; else a parent with rows under it stays.
    cascade: str | None = None


KEEP_AND_LOAD = Options()


@dataclass(frozen=True)
class Arrival:
    """How many rows came.

    ``read_again``, when some of them may stand in the mirror already, reads all once more;
    ``copied`` did when the table was last counted.
    """

    received: int
    read_again: ReadAgain | None = None
    copied: int = 0


def settle(
    connection: Connection,
    contract: Contract,
    table: Table,
    origin: Origin,
    options: Options,
    arrive: Callable[[int], Arrival],
) -> Receipt:
    """From the locks to the receipt, with the releases that follow.

    ``arrive`` brings the rows, given the number of the load, once the tables are locked: into the
    landing, or into the mirror. What can be brought before is better brought before.
    """
    lock(connection, contract, table)
    load_id = loads.open_load(connection, table, origin, options.on_reject, contract.fingerprint)
    receipt = judge_and_store(connection, contract, table, load_id, origin.door, options, arrive(load_id))
    return follow(connection, contract, table, replace(receipt, format=origin.format))


def settle_rejects(connection: Connection, contract: Contract, table: Table, chosen: str, origin: Origin) -> Receipt:
    """Judge rows kept in the ledger again; ``chosen`` is SQL for their ``reject_id``."""
    lock(connection, contract, table)
    load_id = loads.open_load(connection, table, origin, "quarantine", contract.fingerprint)
    arrival = Arrival(landing.fill_from_rejects(connection, table, load_id, chosen))
    receipt = judge_and_store(connection, contract, table, load_id, origin.door, KEEP_AND_LOAD, arrival)
    return follow(connection, contract, table, receipt)


def lock(connection: Connection, contract: Contract, table: Table, then: str = "") -> list[tuple[Any, ...]]:
    """Lock what a load into ``table`` may write, and the parents that must not go meanwhile.

    ``then`` and what is returned are those of :func:`~loader.ledger.loads.lock_tables`.
    """
    written = contract.descendants(table)
    read = {relationship.parent for key in written for relationship in contract.tables[key].relationships}
    return loads.lock_tables(
        connection,
        {f"{source}.{name}" for source, name in written},
        {f"{source}.{name}" for source, name in read - written},
        then,
    )


def follow(connection: Connection, contract: Contract, table: Table, receipt: Receipt) -> Receipt:
    """What follows a load that is entered, until the commit: the releases, and the numbers of all."""
    assert receipt.load_id is not None, "an entered load has its number"
    releases: list[Receipt] = []
    if receipt.accepted:
        releases = release(connection, contract, [(table, brought(receipt.load_id))], receipt.load_id)
    loads.make_visible(connection, [receipt.load_id, *(r.load_id for r in releases if r.load_id)])
    return replace(receipt, releases=tuple(releases))


#: Sentences of one rule at one column that a dry run tells apart.
_SENTENCES = 3
#: A table, and SQL that is true of the rows ``p`` of its mirror that have come into it.
Came = tuple[Table, str]


def brought(load_id: int) -> str:
    """SQL that is true of the rows ``p`` of a mirror that a load brought."""
    return f"p._load_id = {load_id}"


def release(connection: Connection, contract: Contract, changed: list[Came], cause: int) -> list[Receipt]:
    """Let in the rows that waited for what came into ``changed``, those that waited for these, and so on.

    ``cause`` is the load that brought it.
    """
    releases: list[Receipt] = []
    changed = list(changed)
    while changed:
        parent, came = changed.pop(0)
        children = {
            child.id: child for child, relationship in contract.children(parent) if relationship.severity == "error"
        }
        for child in parents.with_waiting(connection, list(children.values())):
            rows = parents.find_releasable(connection, contract, child, parent, came)
            if rows >= landing.BULK:
                run(connection, "analyze pg_temp.let_in")
            if rows:
                origin = Origin("release", "gatehouse", cause_load_id=cause)
                receipt = judge_kept(connection, contract, child, "select reject_id from pg_temp.let_in", origin)
                releases.append(receipt)
                if receipt.accepted and receipt.load_id is not None:
                    changed.append((child, brought(receipt.load_id)))
            run(connection, "drop table pg_temp.let_in")
    return releases


def judge_kept(connection: Connection, contract: Contract, table: Table, chosen: str, origin: Origin) -> Receipt:
    """Judge rows kept in the ledger again, within a transaction that holds the locks and goes on.

    ``chosen`` is SQL for their ``reject_id``.
    """
    load_id = loads.open_load(connection, table, origin, "quarantine", contract.fingerprint)
    arrival = Arrival(landing.fill_from_rejects(connection, table, load_id, chosen))
    return judge_and_store(connection, contract, table, load_id, origin.door, KEEP_AND_LOAD, arrival)


def judge_and_store(
    connection: Connection,
    contract: Contract,
    table: Table,
    load_id: int,
    door: str,
    options: Options,
    arrival: Arrival,
) -> Receipt:
    """Verdicts and rows of one load whose landing is filled; its ledger entry is closed."""
    before = connection.begin_nested()
    refers_to_itself = any(r.parent == (table.source, table.name) for r in table.relationships)

    def set_waiting() -> None:
        run(connection, "delete from pg_temp.fault where verdict = 'waiting'")
        parents.set_waiting(connection, contract, table)

    if refers_to_itself and store.judges_unique(table):
        # a row refused as not unique may be the parent of others: none is let in before
        run(connection, "create temp table rest on commit drop as select _row from pg_temp.landing")
    else:
        admit(connection, contract, table, load_id, landing.is_bulk(connection))
    judge_rows(connection, table)
    set_waiting()
    store.store(connection, table, load_id, set_waiting if refers_to_itself else lambda: None)
    if arrival.read_again is not None:
        land_refused(connection, arrival.read_again)
    _find_repeats_among_waiting(connection, contract, table, load_id)
    status = "succeeded"
    if options.on_reject == "refuse" and count(connection, "fault") + count(connection, "unreadable"):
        status = "refused"
        refuse_all(connection, before)
    else:
        before.commit()
    keep_rejects(connection, table, load_id)
    receipt = make_receipt(connection, contract, table, load_id, door, status, arrival.received)
    if options.dry_run:
        receipt = replace(receipt, reasons=_reasons(connection, load_id))
    refresh_statistics(connection, table, receipt.accepted - arrival.copied)
    loads.close_load(connection, receipt)
    return receipt


def _find_repeats_among_waiting(connection: Connection, contract: Contract, table: Table, load_id: int) -> None:
    """A row equal to one that waits already, in the ledger or in this load, is a duplicate.

    Where arrival orders versions, only if nothing of its key arrived between them: what was changed
    and changed back is changed.
    """
    mine = (
        f"select f._row, {listed(table.primary_key, 'c')}, {landing.payload_of('l')} as _payload, "
        f"coalesce(a.load_id, {load_id}) as _first_load_id, coalesce(a.row, f._row) as _first_row, "
        f"array[{', '.join(parents.names(contract, table, 'c'))}]::bytea[] as _names "
        "from pg_temp.fault as f inner join pg_temp.landing as l on l._row = f._row "
        "inner join pg_temp.candidate as c on c._row = f._row left join pg_temp.arrived as a on a._row = f._row "
        "where f.verdict = 'waiting'"
    )
    if table.ordered_by_arrival:
        key = listed(table.primary_key)
        place = f"{key}, _first_load_id, _first_row"
        refused = not_let_in(table, load_id, "f.verdict <> 'waiting'")
        among = (
            f"select _row, {place}, _payload, true as _waits from mine "
            f"union all select null, {place}, null, false from ({lineage.versions(table, 'mine')}) as v "
            f"union all select null, {place}, _payload, _waits from ({pending(table, 'mine')} "
            f"union all {refused}) as p"
        )
    else:
        key = "_payload"
        waiting = parents.waiting_for(contract, table, "select unnest(_names) from mine")
        among = (
            # what is equal has the same parents, and is entered under one of them
            "select _row, _payload, 0 as _first_load_id, 0 as _first_row, true as _waits from mine "
            "union all select distinct null::bigint, w.payload, 0, 0, true "
            f"from ({waiting}) as w where w.payload in (select _payload from mine)"
        )
    order = "_first_load_id, _first_row, _row nulls first, _waits"
    stretches = (
        f"select *, count(*) filter (where (_payload = _last) is not true) over (partition by {key} order by {order}) "
        f"as _stretch from (select *, lag(_payload) over (partition by {key} order by {order}) as _last "
        f"from ({among}) as among) as among"
    )
    run(
        connection,
        f"insert into pg_temp.repeated with mine as ({mine}) select _row from ("
        f"select _row, bool_or(_waits) over (partition by {key}, _stretch order by {order} "
        f"rows between unbounded preceding and 1 preceding) as _repeats from ({stretches}) as s) as s "
        "where _row is not null and _repeats",
    )
    run(
        connection,
        "delete from pg_temp.fault as f using pg_temp.repeated as r where r._row = f._row and f.verdict = 'waiting'",
    )


def refuse_all(connection: Connection, before: NestedTransaction) -> None:
    """Take back what was stored and refuse the load whole.

    The faults found are kept beyond the rollback; rows with none of their own get
    ``load_refused``.
    """
    with tempfile.SpooledTemporaryFile(max_size=8 << 20, mode="w+b") as kept:
        with cursor(connection) as copying:
            copying.copy_expert("copy pg_temp.fault to stdout", kept)
        before.rollback()
        kept.seek(0)
        run(connection, "truncate pg_temp.fault, pg_temp.repeated")
        with cursor(connection) as copying:
            copying.copy_expert("copy pg_temp.fault from stdin", kept)
    refused = (
        "jsonb_build_array(jsonb_build_object('column', null, 'rule', 'load_refused', 'message', "
        "'is good, but the load was refused whole because others are not', 'value', null))"
    )
    run(connection, "update pg_temp.fault set verdict = 'rejected'")
    run(
        connection,
        f"insert into pg_temp.fault select l._row, 'rejected', {refused} from pg_temp.landing as l "
        "where not exists (select 1 from pg_temp.fault as f where f._row = l._row)",
    )


def keep_rejects(connection: Connection, table: Table, load_id: int, may_come_in: bool = True) -> None:
    """Every row that was not let in goes to the ledger, as it came, with all its faults.

    Unless it may come in yet, nobody will ask for it by its key.
    """
    source, name = literal(table.source), literal(table.name)
    columns = (
        "load_id, row, source, table_name, status, rule, column_name, message, faults, payload, "
        "first_load_id, first_row, awaits, key_digest"
    )
    digest, unreadable = "null", "null"
    if may_come_in:
        digest = key_digest(table, lambda column: typed(column, f"l.{column.sql}"))
        unreadable = key_digest(table, from_payload("u"))
    run(
        connection,
        f"insert into ledger.rejects ({columns}) "
        f"select {load_id}, f._row, {source}, {name}, f.verdict, f.faults -> 0 ->> 'rule', "
        "f.faults -> 0 ->> 'column', f.faults -> 0 ->> 'message', f.faults, "
        f"{landing.payload_of('l')}, coalesce(a.load_id, {load_id}), coalesce(a.row, f._row), "
        f"case when f.verdict = 'waiting' then f.awaits end, {digest} "
        "from pg_temp.fault as f inner join pg_temp.landing as l on l._row = f._row "
        "left join pg_temp.arrived as a on a._row = f._row order by f._row",
    )
    fault = (
        "jsonb_build_array(jsonb_build_object('column', column_name, 'rule', rule, 'message', message, 'value', null))"
    )
    run(
        connection,
        f"insert into ledger.rejects ({columns}) "
        f"select {load_id}, _row, {source}, {name}, 'rejected', rule, column_name, message, "
        f"{fault}, payload, {load_id}, _row, null, {unreadable} from pg_temp.unreadable as u order by _row",
    )


def count(connection: Connection, name: str, where: str = "true") -> int:
    """The rows of one of the load's temporary tables."""
    return _counted(connection, f"select 1 from pg_temp.{name} where {where}")


def make_receipt(
    connection: Connection,
    contract: Contract,
    table: Table,
    load_id: int,
    door: str,
    status: str,
    received: int,
) -> Receipt:
    """The receipt of a load whose rows and rejects are written."""
    unreadable = count(connection, "unreadable")
    waiting = count(connection, "fault", "verdict = 'waiting'")
    rejected = count(connection, "fault", "verdict = 'rejected'") + unreadable
    duplicates = count(connection, "repeated")
    listed = fetch(
        connection,
        "select row, column_name, rule, message, faults -> 0 ->> 'value', faults "
        f"from ledger.rejects where load_id = {load_id} order by row limit {LISTED}",
    )
    return Receipt(
        load_id=load_id,
        source=table.source,
        table=table.name,
        door=door,
        status=status,
        received=received,
        accepted=_counted(connection, let_in(table, load_id)),
        waiting=waiting,
        rejected=rejected,
        duplicates=duplicates,
        warnings=tuple(find_warnings(connection, contract, table, load_id)),
        rejects=tuple(
            RowFault(row, column, rule, message, value, tuple(faults))
            for row, column, rule, message, value, faults in listed
        ),
    )


def _reasons(connection: Connection, load_id: int) -> tuple[Reason, ...]:
    """The commonest reasons; one whose sentence names another row in each of its rows is one, by one of these."""
    each = (
        "select status, column_name, rule, message, count(*) as rows, min(row) as first_row from ledger.rejects "
        f"where load_id = {load_id} group by 1, 2, 3, 4"
    )
    found = fetch(
        connection,
        "select status, column_name, rule, min(message), sum(rows)::bigint, min(first_row) from ("
        f"select *, case when count(*) over (partition by status, column_name, rule) <= {_SENTENCES} "
        f"then message end as told from ({each}) as each) as reasons "
        f"group by status, column_name, rule, told order by 5 desc, 6 limit {REASONS}",
    )
    return tuple(Reason(*told) for told in found)


def _counted(connection: Connection, query: str) -> int:
    return int(fetch(connection, f"select count(*) from ({query}) as counted")[0][0])
