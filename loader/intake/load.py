"""The one path of a load, whatever the door: decode → judge → store → receipt.

A load is one transaction. The rows are decoded into a landing without any lock; then the
tables concerned are locked, every row gets its verdict, and mirror, history, rejects and the
ledger's entry are written. Rows that had been waiting for what this load brought come in
within the same transaction, by loads of their own.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import psycopg2
from sqlalchemy import Connection, Engine, NestedTransaction
from sqlalchemy.exc import DBAPIError

from loader.contract.model import Contract, Table
from loader.contract.types import literal
from loader.intake import landing, parents, store
from loader.intake.decode import DECODERS, Decoder, ReadFailure, format_of_file
from loader.intake.judge import judge_rows
from loader.intake.receipt import LISTED, Receipt, RowFault, Warned
from loader.intake.sql import fetch, run
from loader.ledger import loads
from loader.ledger.loads import Origin

Progress = Callable[[int], None]


class LoadFailed(Exception):
    """Nothing was loaded; the sentence says why. ``load_id`` is the ledger's failed entry.

    ``is_body`` when the body can't be read, and not the database that ended the load.
    """

    def __init__(self, message: str, is_body: bool, load_id: int | None = None) -> None:
        self.message = message
        self.is_body = is_body
        self.load_id = load_id
        super().__init__(message)


class KeyReused(Exception):
    """The Idempotency-Key came before with another body."""


class StillRunning(Exception):
    """A load with the same Idempotency-Key has not ended yet."""


@dataclass(frozen=True)
class Options:
    """How a load treats rows that can't come in."""

    on_reject: str = "quarantine"
    dry_run: bool = False


class _Rollback(Exception):
    """Leaves the transaction without effect, with the receipt that it would have had."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt


def load(
    engine: Engine,
    contract: Contract,
    table: Table,
    open_decoder: Callable[[], Decoder],
    origin: Origin,
    options: Options = Options(),
    progress: Progress | None = None,
) -> Receipt:
    """Load what the decoder yields into ``table``.

    With an Idempotency-Key that came before, the first receipt is given back. Raises
    :class:`LoadFailed`, :class:`KeyReused` or :class:`StillRunning`; then nothing has changed
    but the ledger's entry of the failure.
    """
    try:
        with engine.begin() as connection:
            earlier = _came_before(connection, table, origin)
            if earlier is not None:
                return earlier
            landing.fill(connection, table, open_decoder(), progress)
            receipt = _settle(connection, contract, table, origin, options)
            if options.dry_run:
                raise _Rollback(replace(receipt, load_id=None, status="dry_run", releases=()))
            return receipt
    except _Rollback as left:
        return left.receipt
    except ReadFailure as error:
        raise _failed(engine, table, origin, options, str(error), is_body=True) from error
    except (DBAPIError, psycopg2.Error) as error:
        original = error.orig if isinstance(error, DBAPIError) else error
        words = str(original).strip().splitlines()
        message = f"the database ended the load: {words[0] if words else type(original).__name__}"
        raise _failed(engine, table, origin, options, message, is_body=False) from error


def load_stream(
    engine: Engine,
    contract: Contract,
    table: Table,
    stream: BinaryIO,
    format_: str,
    origin: Origin,
    options: Options = Options(),
    progress: Progress | None = None,
) -> Receipt:
    """Load a body of a format that :data:`~loader.intake.decode.DECODERS` knows; see :func:`load`."""
    return load(
        engine, contract, table, lambda: DECODERS[format_](stream, table), origin, options, progress
    )


def load_file(
    engine: Engine,
    contract: Contract,
    table: Table,
    path: Path,
    *,
    principal: str,
    door: str = "file",
    idempotency_key: str | None = None,
    options: Options = Options(),
    again: bool = False,
    progress: Progress | None = None,
) -> Receipt:
    """Load a file. One that is loaded already, and stands, is not loaded again.

    ``again`` loads it all the same. Raises as :func:`load` does, and ``OSError``.
    """
    with path.open("rb") as file:
        content_hash = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        if not again and not options.dry_run:
            with engine.begin() as connection:
                load_id = loads.find_by_content(connection, table, content_hash)
                receipt = loads.read_receipt(connection, load_id) if load_id else None
            if receipt is not None:
                return replace(receipt, repeated=True)
        origin = Origin(door, principal, path.name, content_hash, idempotency_key)

        def open_decoder() -> Decoder:
            return DECODERS[format_of_file(path.name)](file, table)

        return load(engine, contract, table, open_decoder, origin, options, progress)


def replay(
    engine: Engine, contract: Contract, table: Table, reject_ids: list[int], principal: str
) -> Receipt:
    """Judge kept rows again, as they stand in the ledger now; a load of door ``replay``."""
    chosen = (
        "select reject_id from ledger.rejects where status in ('rejected', 'waiting') "
        f"and source = {literal(table.source)} and table_name = {literal(table.name)} "
        f"and not payload ? '_line' and reject_id = any({literal(_array(reject_ids))}::bigint[])"
    )
    with engine.begin() as connection:
        _lock(connection, contract, table)
        origin = Origin("replay", principal)
        return _settle_rejects(connection, contract, table, chosen, origin)


def _array(numbers: list[int]) -> str:
    return "{" + ",".join(str(int(number)) for number in numbers) + "}"


def _came_before(connection: Connection, table: Table, origin: Origin) -> Receipt | None:
    key = origin.idempotency_key
    if key is None:
        return None
    if not loads.lock_key(connection, table, key):
        raise StillRunning(f"a load with Idempotency-Key {key!r} has not ended yet")
    found = loads.find_by_key(connection, table, key)
    if found is None:
        return None
    if found.content_hash != origin.content_hash:
        raise KeyReused(f"Idempotency-Key {key!r} came before with another body")
    receipt = loads.read_receipt(connection, found.load_id)
    assert receipt is not None, "the load was found in this transaction"
    return replace(receipt, repeated=True)


def _failed(
    engine: Engine, table: Table, origin: Origin, options: Options, message: str, is_body: bool
) -> LoadFailed:
    """Enter the failure, as far as the database can still be reached."""
    if options.dry_run:
        return LoadFailed(message, is_body)
    try:
        with engine.begin() as connection:
            entry = loads.enter_failure(connection, table, origin, options.on_reject, message)
    except DBAPIError:
        return LoadFailed(message, is_body)
    return LoadFailed(message, is_body, entry)


def _lock(connection: Connection, contract: Contract, table: Table) -> None:
    written = contract.descendants(table)
    read = {
        relationship.parent for key in written for relationship in contract.tables[key].relationships
    }
    loads.lock_tables(
        connection,
        {f"{source}.{name}" for source, name in written},
        {f"{source}.{name}" for source, name in read - written},
    )


def _settle(
    connection: Connection, contract: Contract, table: Table, origin: Origin, options: Options
) -> Receipt:
    """From a filled landing to the receipt, with the releases that follow."""
    _lock(connection, contract, table)
    load_id = loads.open_load(
        connection, table, origin, options.on_reject, contract.fingerprint
    )
    receipt = _judge_and_store(connection, contract, table, load_id, origin.door, options)
    releases = _release(connection, contract, table, receipt)
    loads.make_visible(connection, [load_id, *(r.load_id for r in releases if r.load_id)])
    return replace(receipt, releases=tuple(releases))


def _settle_rejects(
    connection: Connection, contract: Contract, table: Table, chosen: str, origin: Origin
) -> Receipt:
    load_id = loads.open_load(connection, table, origin, "quarantine", contract.fingerprint)
    landing.fill_from_rejects(connection, table, load_id, chosen)
    receipt = _judge_and_store(connection, contract, table, load_id, origin.door, Options())
    releases = _release(connection, contract, table, receipt)
    loads.make_visible(connection, [load_id, *(r.load_id for r in releases if r.load_id)])
    return replace(receipt, releases=tuple(releases))


def _release(
    connection: Connection, contract: Contract, table: Table, receipt: Receipt
) -> list[Receipt]:
    """Let in the rows that waited for what came, and those that waited for these, and so on."""
    releases: list[Receipt] = []
    if not receipt.accepted:
        return releases
    changed = [table]
    while changed:
        parent = changed.pop(0)
        children = {
            child.id: child
            for child, relationship in contract.children(parent)
            if relationship.severity == "error"
        }
        for child in children.values():
            if not parents.has_waiting(connection, child):
                continue
            chosen = parents.releasable(contract, child)
            if not fetch(connection, f"select exists ({chosen})")[0][0]:
                continue
            origin = Origin("release", "gatehouse", cause_load_id=receipt.load_id)
            load_id = loads.open_load(
                connection, child, origin, "quarantine", contract.fingerprint
            )
            landing.fill_from_rejects(connection, child, load_id, chosen)
            release = _judge_and_store(
                connection, contract, child, load_id, origin.door, Options()
            )
            releases.append(release)
            if release.accepted:
                changed.append(child)
    return releases


def _judge_and_store(
    connection: Connection,
    contract: Contract,
    table: Table,
    load_id: int,
    door: str,
    options: Options,
) -> Receipt:
    """Verdicts and rows of one load whose landing is filled; its ledger entry is closed."""
    judge_rows(connection, table)
    parents.set_waiting(connection, contract, table)
    before = connection.begin_nested()
    store.store(connection, table, load_id)
    _find_repeats_among_waiting(connection, table)
    status = "succeeded"
    if options.on_reject == "refuse" and _count(connection, "fault") + _count(
        connection, "unreadable"
    ):
        status = "refused"
        _refuse_all(connection, before)
    else:
        before.commit()
    _keep_rejects(connection, table, load_id)
    receipt = _receipt(connection, contract, table, load_id, door, status)
    loads.close_load(connection, receipt)
    return receipt


def _find_repeats_among_waiting(connection: Connection, table: Table) -> None:
    """A row equal to one that waits already, in the ledger or in this load, is a duplicate."""
    payload = landing.payload_of("l")
    run(
        connection,
        "insert into pg_temp.repeated select _row from ("
        f"select f._row, row_number() over (partition by {payload} order by f._row) > 1 "
        "or exists (select 1 from ledger.rejects as w where w.status = 'waiting' "
        f"and w.source = {literal(table.source)} and w.table_name = {literal(table.name)} "
        f"and w.payload = {payload}) as repeats "
        "from pg_temp.fault as f inner join pg_temp.landing as l on l._row = f._row "
        "where f.verdict = 'waiting') as waiting where repeats",
    )
    run(
        connection,
        "delete from pg_temp.fault as f using pg_temp.repeated as r "
        "where r._row = f._row and f.verdict = 'waiting'",
    )


def _refuse_all(connection: Connection, before: NestedTransaction) -> None:
    """Take back what was stored and refuse the load whole.

    The faults that storing found are kept beyond the rollback; rows with none of their own get
    ``load_refused``.
    """
    with tempfile.SpooledTemporaryFile(max_size=8 << 20, mode="w+b") as kept:
        with connection.connection.cursor() as cursor:
            cursor.copy_expert("copy pg_temp.fault to stdout", kept)  # type: ignore[attr-defined]
        before.rollback()
        kept.seek(0)
        run(connection, "truncate pg_temp.fault, pg_temp.repeated")
        with connection.connection.cursor() as cursor:
            cursor.copy_expert("copy pg_temp.fault from stdin", kept)  # type: ignore[attr-defined]
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


def _keep_rejects(connection: Connection, table: Table, load_id: int) -> None:
    """Every row that was not let in goes to the ledger, as it came, with all its faults."""
    source, name = literal(table.source), literal(table.name)
    columns = (
        "load_id, row, source, table_name, status, rule, column_name, message, faults, payload, "
        "first_load_id, first_row"
    )
    run(
        connection,
        f"insert into ledger.rejects ({columns}) "
        f"select {load_id}, f._row, {source}, {name}, f.verdict, f.faults -> 0 ->> 'rule', "
        "f.faults -> 0 ->> 'column', f.faults -> 0 ->> 'message', f.faults, "
        f"{landing.payload_of('l')}, coalesce(a.load_id, {load_id}), coalesce(a.row, f._row) "
        "from pg_temp.fault as f inner join pg_temp.landing as l on l._row = f._row "
        "left join pg_temp.arrived as a on a._row = f._row order by f._row",
    )
    fault = (
        "jsonb_build_array(jsonb_build_object('column', column_name, 'rule', rule, "
        "'message', message, 'value', null))"
    )
    run(
        connection,
        f"insert into ledger.rejects ({columns}) "
        f"select {load_id}, _row, {source}, {name}, 'rejected', rule, column_name, message, "
        f"{fault}, payload, {load_id}, _row from pg_temp.unreadable order by _row",
    )


def _count(connection: Connection, name: str, where: str = "true") -> int:
    return int(fetch(connection, f"select count(*) from pg_temp.{name} where {where}")[0][0])


def _receipt(
    connection: Connection, contract: Contract, table: Table, load_id: int, door: str, status: str
) -> Receipt:
    unreadable = _count(connection, "unreadable")
    received = _count(connection, "landing") + unreadable
    waiting = _count(connection, "fault", "verdict = 'waiting'")
    rejected = _count(connection, "fault", "verdict = 'rejected'") + unreadable
    duplicates = _count(connection, "repeated")
    listed = fetch(
        connection,
        "select row, column_name, rule, message, faults -> 0 ->> 'value' "
        f"from ledger.rejects where load_id = {load_id} order by row limit {LISTED}",
    )
    return Receipt(
        load_id=load_id,
        source=table.source,
        table=table.name,
        door=door,
        status=status,
        received=received,
        accepted=received - waiting - rejected - duplicates,
        waiting=waiting,
        rejected=rejected,
        duplicates=duplicates,
        warnings=tuple(_warnings(connection, contract, table, load_id)),
        rejects=tuple(RowFault(*row) for row in listed),
    )


def _warnings(
    connection: Connection, contract: Contract, table: Table, load_id: int
) -> list[Warned]:
    """What the rows let in break of the rules that only warn."""
    found: list[Warned] = []
    rules = list(table.warnings())
    if rules:
        counts = ", ".join(
            f"count(*) filter (where {rule.broken}), min(_row) filter (where {rule.broken})"
            for rule in rules
        )
        accepted = (
            "pg_temp.candidate as c where c._ok "
            "and not exists (select 1 from pg_temp.fault as f where f._row = c._row) "
            "and not exists (select 1 from pg_temp.repeated as r where r._row = c._row)"
        )
        row = fetch(connection, f"select {counts} from {accepted}")[0]
        for index, rule in enumerate(rules):
            column = rule.columns[0] if len(rule.columns) == 1 else None
            if row[2 * index]:
                found.append(
                    Warned(column, rule.name, rule.message, row[2 * index], row[2 * index + 1])
                )
    for relationship in table.relationships:
        if relationship.severity == "warn":
            rows, first = parents.count_orphans(connection, contract, table, relationship)
            if rows:
                parent = ".".join(relationship.parent)
                message = f"has no parent in {parent}"
                found.append(Warned(relationship.columns[0], relationship.name, message, rows, first))
    for rule in table.unique_rules:
        if rule.severity == "warn":
            rows, first = store.count_clashes(connection, table, rule, load_id)
            if rows:
                found.append(Warned(rule.columns[0], rule.name, "must be unique", rows, first))
    return found
