"""Delete by key: a load whose rows are keys, and each is a version that says 'gone from here on'.

A delete ranks as any version does: by ``valid_from`` where the table has one and the row states
it; a row that does not takes away all that is known of its key, and ranks behind the newest of it.
So an older row that comes late does not revive the key, and a newer one does.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from loader.contract.model import Contract, Relationship, Table
from loader.contract.rules import not_null
from loader.contract.types import literal
from loader.intake import lineage, parents
from loader.intake.aftermath import Aftermath, key_text, lost
from loader.intake.judge import fault, judge_rows
from loader.intake.pending import from_payload, pending
from loader.intake.receipt import Receipt
from loader.intake.settle import Arrival, Options, count, keep_rejects, lock, make_receipt, refuse_all, release
from loader.intake.sql import equal, listed, run
from loader.ledger import loads
from loader.ledger.loads import Origin

_NAMED = 3


def why_not(table: Table) -> str | None:
    """Why nothing can be deleted from the table by key; ``None`` if it can."""
    if table.load == "events":
        return f"{table.id} holds events, which are immutable: they go only with their load, by an undo of it"
    return None


def naming_keys(table: Table) -> Table:
    """The table as a body of keys is read: any of its columns may stand there, and only the key must."""
    return replace(
        table, columns=tuple(replace(column, required=column.name in table.primary_key) for column in table.columns)
    )


def settle_deletes(
    connection: Connection, contract: Contract, table: Table, origin: Origin, options: Options, arrival: Arrival
) -> Receipt:
    """From a filled landing of keys to the receipt.

    A row is accepted when it takes a key away or would keep an older row from coming in, a
    duplicate when the key is gone already, and rejected when nothing is known of its key
    (``no_such_key``) or rows stand under it (``has_children``), unless ``options.cascade`` is
    ``wait``. Raises :class:`~loader.intake.aftermath.CanNotStand`.
    """
    lock(connection, contract, table)
    load_id = loads.open_load(connection, table, origin, options.on_reject, contract.fingerprint)
    before = connection.begin_nested()
    run(connection, "create temp table rest on commit drop as select _row from pg_temp.landing")
    judge_rows(connection, _keys_only(table))
    _rank(connection, table)
    if options.cascade is None:
        _refuse_parents(connection, contract, table)
    _find_repeats(connection, table, load_id)
    _write(connection, table, load_id)
    aftermath = Aftermath(connection, contract, table, load_id)
    aftermath.take_away(table, "deleted", f"({_VERSION}) in (select _load_id, _row from pg_temp.leaving)")
    aftermath.follow()
    status = "succeeded"
    if options.on_reject == "refuse" and count(connection, "fault") + count(connection, "unreadable"):
        status = "refused"
        refuse_all(connection, before)
    else:
        before.commit()
    keep_rejects(connection, table, load_id, may_come_in=False)
    receipt = make_receipt(connection, contract, _keys_only(table), load_id, origin.door, status, arrival.received)
    receipt = replace(receipt, format=origin.format)
    loads.close_load(connection, receipt)
    if status == "refused":
        loads.make_visible(connection, [load_id])
        return receipt
    cascades = aftermath.close()
    releases = release(connection, contract, aftermath.renewed(), load_id)
    loads.make_visible(connection, [load_id, *(r.load_id for r in (*cascades, *releases) if r.load_id)])
    return replace(receipt, cascades=tuple(cascades), releases=tuple(releases))


_VERSION = "m._load_id, m._row"


def _identifying(table: Table) -> tuple[str, ...]:
    """The columns that say which key, and since when."""
    names = (*table.primary_key, table.valid_from) if table.valid_from else table.primary_key
    return tuple(dict.fromkeys(names))


def _keys_only(table: Table) -> Table:
    """The table as a delete sees it: its key, and ``valid_from``, which may be left out."""
    columns = tuple(replace(table.column(name), required=name in table.primary_key) for name in _identifying(table))
    return replace(
        table, columns=columns, row_rules=tuple(not_null(name) for name in table.primary_key),
        unique_rules=(), relationships=(),
    )  # fmt: skip


def _rank(connection: Connection, table: Table) -> None:
    """``ruling``: each delete with its place in the order, ``_valid``; and the verdicts that follow.

    Without ``valid_from`` a delete's place is its arrival, and ``_valid`` is 0 for all.
    """
    key, valid = listed(table.primary_key), "0"
    if table.valid_from:
        valid = table.column(table.valid_from).sql
    run(connection, "drop table if exists pg_temp.named, pg_temp.known, pg_temp.ruling, pg_temp.leaving")
    run(
        connection,
        f"create temp table named on commit drop as select distinct {key} from pg_temp.candidate where _ok",
    )
    run(
        connection,
        "create temp table known on commit drop as "
        f"select {key}, {valid} as _valid, _first_load_id, _first_row, _gone "
        f"from ({lineage.versions(table, 'pg_temp.named')}) as v "
        f"union all select {key}, {valid}, _first_load_id, _first_row, false from ({_waiting(table)}) as w "
        f"where ({key}) in (select {key} from pg_temp.named)",
    )
    stated = f"c.{valid}" if table.valid_from else "null"
    run(
        connection,
        "create temp table ruling on commit drop as "
        f"select c._row, {listed(table.primary_key, 'c')}, coalesce({stated}, k._newest) as _valid "
        "from pg_temp.candidate as c "
        f"left join (select {key}, max(_valid) as _newest from pg_temp.known group by {key}) as k "
        f"on {equal(table.primary_key, 'k', 'c')} where c._ok",
    )
    unknown = fault(None, "no_such_key", "nothing has come under this key that could be deleted")
    run(
        connection,
        f"insert into pg_temp.fault select _row, 'rejected', jsonb_build_array({unknown}) "
        "from pg_temp.ruling where _valid is null",
    )
    run(connection, "delete from pg_temp.ruling where _valid is null")
    run(
        connection,
        f"create temp table leaving on commit drop as select m.* from {table.mirror} as m "
        f"where exists (select 1 from pg_temp.ruling as r where {equal(table.primary_key, 'r', 'm')} "
        f"and {_outranks(table)})",
    )


def _find_repeats(connection: Connection, table: Table, load_id: int) -> None:
    """Of the deletes in ``ruling``, which nobody refuses, those whose key is gone already by the one just before."""
    key = listed(table.primary_key)
    known = f"select {key}, _valid, _first_load_id, _first_row, _gone, false as _new, null::bigint as _row "
    others = f"{known} from pg_temp.known"
    if table.ordered_by_arrival:
        others += f" union all select {key}, 0, _first_load_id, _first_row, false, false, null "
        others += f"from ({pending(table, 'pg_temp.named')}) as p"
    run(
        connection,
        "insert into pg_temp.repeated select _row from (select _row, _new, "
        "lag(_gone) over w and lag(_valid) over w = _valid as _repeats from ("
        f"{others} union all select {key}, _valid, {load_id}, _row, true, true, _row from pg_temp.ruling) as v "
        f"window w as (partition by {key} order by _valid, _first_load_id, _first_row, _gone)) as v "
        "where _new and _repeats",
    )
    run(connection, "delete from pg_temp.ruling where _row in (select _row from pg_temp.repeated)")


def _outranks(table: Table) -> str:
    """SQL: the delete ``r`` ranks behind the row ``m``, which arrived before it."""
    return f"r._valid >= m.{table.column(table.valid_from).sql}" if table.valid_from else "true"


def _waiting(table: Table) -> str:
    """SQL for the table's waiting rows, as far as they identify themselves."""
    names = ", ".join(
        f"{from_payload('w')(table.column(name))} as {table.column(name).sql}" for name in _identifying(table)
    )
    return (
        f"select {names}, w.first_load_id as _first_load_id, w.first_row as _first_row "
        f"from ({parents.waiting(table)}) as w"
    )


def _refuse_parents(connection: Connection, contract: Contract, table: Table) -> None:
    """Refuse each delete under whose row others would be left; who is refused keeps its own parents too."""
    children = [(child, r) for child, r in contract.children(table) if r.severity == "error"]
    while children:
        run(connection, "drop table if exists pg_temp.denied")
        run(
            connection,
            "create temp table denied on commit drop as "
            + " union all ".join(
                _denials(contract, table, child, relationship, place)
                for place, (child, relationship) in enumerate(children)
            ),
        )
        refused = run(
            connection,
            "insert into pg_temp.fault select r._row, 'rejected', jsonb_agg(d._fault order by d._place) "
            "from pg_temp.ruling as r inner join pg_temp.leaving as m "
            f"on {equal(table.primary_key, 'm', 'r')} and {_outranks(table)} "
            "inner join pg_temp.denied as d on d._load_id = m._load_id and d._row = m._row group by r._row",
        )
        if not refused:
            return
        run(connection, "delete from pg_temp.ruling where _row in (select _row from pg_temp.fault)")
        run(
            connection,
            f"delete from pg_temp.leaving as m where ({_VERSION}) in (select _load_id, _row from pg_temp.denied)",
        )


def _denials(contract: Contract, table: Table, child: Table, relationship: Relationship, place: int) -> str:
    """SQL for the leaving rows that have rows of ``child`` under them, which are counted and the first named."""
    others = "not in (select _load_id, _row from pg_temp.leaving)"
    itself = f"and (c._load_id, c._row) {others} " if child.id == table.id else ""
    staying = f"(p._load_id, p._row) {others}"
    lacks = parents.orphan(contract, child, relationship, "c", within_load=False, staying=staying)
    match = " and ".join(
        f"o.{child.column(own).sql} = l.{table.column(field).sql}"
        for field, own in zip(relationship.parent_columns, relationship.columns, strict=True)
    )
    keys = f"(array_agg({key_text(child, 'o')} order by o._load_id, o._row))[:{_NAMED}]"
    words = (
        f"count(*) || {literal(f' rows of {child.id} stand under it: ')} || array_to_string({keys}, '; ') "
        f"|| case when count(*) > {_NAMED} then '; …' else '' end "
        "|| '. Delete those first, or let them wait: cascade=wait'"
    )
    return (
        f"select l._load_id, l._row, {place} as _place, "
        f"jsonb_build_object('column', null, 'rule', 'has_children', 'message', {words}, 'value', null) as _fault "
        "from pg_temp.leaving as l inner join ("
        f"select * from {child.mirror} as c where {lost(relationship, 'pg_temp.leaving')} {itself}and {lacks}"
        f") as o on {match} group by l._load_id, l._row"
    )


def _write(connection: Connection, table: Table, load_id: int) -> None:
    """The deletes that stand are versions of their own."""
    values = {name: f"r.{table.column(name).sql}" for name in table.primary_key}
    if table.valid_from:
        values[table.valid_from] = "r._valid"
    run(
        connection,
        f"insert into {table.history} ({listed(values)}, _load_id, _row, _loaded_at, "
        "_written_load_id, _written_at, _reason) "
        f"select {', '.join(values.values())}, {load_id}, r._row, transaction_timestamp(), "
        f"{load_id}, transaction_timestamp(), 'deleted' from pg_temp.ruling as r",
    )
