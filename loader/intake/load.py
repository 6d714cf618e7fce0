"""The one path of a load, whatever the door: decode → judge → store → receipt.

A load is one transaction, in which the tables concerned are locked, every row gets its verdict,
and mirror, history, rejects and the ledger's entry are written. Rows that had been waiting for
what this load brought come in within the same transaction, by loads of their own.

Rows come in by one of three ways, chosen by how many there are: a few at once by one statement
(:mod:`~loader.intake.few`), many straight into the mirror (:mod:`~loader.intake.bulk`), and
whatever these leave by the landing (:mod:`~loader.intake.landing`). All that can be done
before the tables are locked is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from sqlalchemy import Connection, Engine

from loader.contract.model import Contract, Table
from loader.contract.types import literal
from loader.intake import bulk, few, landing
from loader.intake.attempt import LoadFailed, Waiting, attempt
from loader.intake.decode import (
    IN_ORDER,
    NOTHING_SAID,
    Batch,
    Decoder,
    ReadFailure,
    Said,
    format_of_file,
    open_body,
)
from loader.intake.decode.packed import size_of
from loader.intake.delete import naming_keys, settle_deletes, why_not
from loader.intake.receipt import Receipt
from loader.intake.settle import KEEP_AND_LOAD, Arrival, Options, settle, settle_rejects
from loader.ledger import loads
from loader.ledger.loads import Origin
from loader.ledger.progress import Measure, Report

__all__ = ["KeyReused", "LoadFailed", "Options", "StillRunning", "load", "load_file",
           "load_stream", "replay"]  # fmt: skip

Progress = Callable[[int], None]
#: Bytes of a body after which it is a large one, however few rows they are.
_LARGE = 16 << 20


class KeyReused(Exception):
    """The Idempotency-Key came before with another body."""


class StillRunning(Exception):
    """A load with the same Idempotency-Key has not ended yet."""


def load(
    engine: Engine,
    contract: Contract,
    table: Table,
    open_decoder: Callable[[], Decoder],
    origin: Origin,
    options: Options = KEEP_AND_LOAD,
    progress: Progress | None = None,
    lock_seconds: float | None = None,
    waiting: Waiting | None = None,
    unless_loaded: bool = False,
    measure: Measure | None = None,
) -> Receipt:
    """Load what the decoder yields into ``table``; ``unless_loaded``: not if its content stands there already.

    ``lock_seconds`` and ``waiting`` are those of :func:`~loader.intake.attempt.attempt`;
    ``measure`` says how much of the body has been read. With an Idempotency-Key that came before,
    the first receipt is given back. Raises :class:`LoadFailed`, :class:`KeyReused` or
    :class:`StillRunning`; then nothing has changed but the ledger's entry of the failure.
    """
    origin = replace(origin, op=options.op)
    report = Report(engine, table, origin, progress, measure)

    def work(connection: Connection) -> Receipt:
        report.begins(connection)
        earlier = _came_before(connection, table, origin, unless_loaded)
        if earlier is not None:
            return earlier
        if options.op == "delete":
            return _delete(connection, contract, table, open_decoder, origin, options, report)
        return _bring_and_settle(connection, contract, table, open_decoder, origin, options, report)

    try:
        return attempt(engine, table, origin, options, work, lock_seconds=lock_seconds, waiting=waiting)
    finally:
        report.ends()


def _delete(
    connection: Connection,
    contract: Contract,
    table: Table,
    open_decoder: Callable[[], Decoder],
    origin: Origin,
    options: Options,
    report: Report,
) -> Receipt:
    if reason := why_not(table):
        raise ReadFailure(reason)
    decoder = open_decoder()
    arrival = Arrival(landing.fill(connection, table, decoder, report.rows))
    return settle_deletes(connection, contract, table, replace(origin, format=decoder.found), options, arrival)


def _bring_and_settle(
    connection: Connection,
    contract: Contract,
    table: Table,
    open_decoder: Callable[[], Decoder],
    origin: Origin,
    options: Options,
    report: Report,
) -> Receipt:
    decoder = open_decoder()
    batches = iter(decoder)
    begun: list[Batch] = []
    size = 0
    while not (is_large := _count(begun) >= landing.BULK or size >= _LARGE) and (batch := next(batches, None)):
        begun.append(batch)
        size += batch.size
    all_batches = chain(begun, batches)

    def bring_large(load_id: int) -> Arrival:
        report.opened(load_id)
        received, copied = bulk.bring(connection, contract, table, load_id, all_batches, open_decoder, report.rows)
        return Arrival(received, open_decoder, copied)

    # what the body is, is certain once its first rows have been read
    origin = replace(origin, format=decoder.found)
    if not is_large and few.suits(table, begun):
        receipt = few.bring(connection, contract, table, origin, options, begun)
        if receipt is not None:
            return receipt
    if is_large and options.on_reject != "refuse" and bulk.suits(table):
        return settle(connection, contract, table, origin, options, bring_large)
    # without a number, which are in the order of the locks: of more than a few rows none is taken yet
    landed = Arrival(landing.fill(connection, table, all_batches, report.rows))
    return settle(connection, contract, table, replace(origin, format=decoder.found), options, _landed(report, landed))


def _count(batches: list[Batch]) -> int:
    return sum(batch.received for batch in batches)


def _landed(report: Report, arrival: Arrival) -> Callable[[int], Arrival]:
    """Of rows that are in the landing: what is said of them once the load has its number."""

    def numbered(load_id: int) -> Arrival:
        report.opened(load_id)
        return arrival

    return numbered


def load_stream(
    engine: Engine,
    contract: Contract,
    table: Table,
    stream: BinaryIO,
    format_: str,
    origin: Origin,
    options: Options = KEEP_AND_LOAD,
    progress: Progress | None = None,
    lock_seconds: float | None = None,
    said: Said = NOTHING_SAID,
    unless_loaded: bool = False,
) -> Receipt:
    """Load a body of a format that :func:`~loader.intake.decode.open_body` knows; see :func:`load`."""
    with contextlib.ExitStack() as kept:
        body = stream if stream.seekable() else kept.enter_context(_kept(stream))
        begin = body.tell()
        shape = naming_keys(table) if options.op == "delete" else table

        def open_decoder() -> Decoder:
            body.seek(begin)
            return open_body(body, shape, format_, said)

        measure = _measure(body, format_)
        return load(
            engine, contract, table, open_decoder, origin, options, progress, lock_seconds,
            unless_loaded=unless_loaded, measure=measure,
        )  # fmt: skip


def _measure(body: BinaryIO, format_: str) -> Measure | None:
    """How much of a body has been read, where it is read from front to end."""
    if format_.partition(".")[0] not in IN_ORDER:
        return None
    size = size_of(body)
    return lambda: (body.tell(), size)


@contextlib.contextmanager
def _kept(stream: BinaryIO) -> Iterator[BinaryIO]:
    """A stream that comes once only (a pipe), whole, to be read as often as need be."""
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(stream, kept, 1 << 20)
        kept.seek(0)
        yield cast("BinaryIO", kept)


def load_file(
    engine: Engine,
    contract: Contract,
    table: Table,
    path: Path,
    *,
    principal: str,
    door: str = "file",
    idempotency_key: str | None = None,
    options: Options = KEEP_AND_LOAD,
    again: bool = False,
    progress: Progress | None = None,
    lock_seconds: float | None = None,
    waiting: Waiting | None = None,
    said: Said = NOTHING_SAID,
) -> Receipt:
    """Load a file. One that is loaded already, and stands, is not loaded again.

    ``again`` loads it all the same. Raises as :func:`load` does, and ``OSError``.
    """
    with path.open("rb") as file:
        content_hash = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        name = os.fsencode(path.name).decode("utf-8", "backslashreplace")  # a name is any bytes, the ledger is text
        origin = Origin(door, principal, name, said.content(content_hash), idempotency_key)

        stood = _state(file)
        shape = naming_keys(table) if options.op == "delete" else table

        def open_decoder() -> Decoder:
            if _state(file) != stood:
                raise ReadFailure("the file changed while it was read; load it again when nobody writes to it")
            file.seek(0)
            return open_body(file, shape, format_of_file(path.name), said)

        measure = None
        with contextlib.suppress(ReadFailure):  # a name that says no format is for the load itself to refuse
            measure = _measure(file, format_of_file(path.name))
        unless_loaded = not again and not options.dry_run
        return load(
            engine, contract, table, open_decoder, origin, options, progress, lock_seconds, waiting,
            unless_loaded, measure,
        )  # fmt: skip


def _state(file: BinaryIO) -> tuple[int, int]:
    """What changes when somebody writes to the file."""
    stat = os.fstat(file.fileno())
    return stat.st_size, stat.st_mtime_ns


def replay(
    engine: Engine,
    contract: Contract,
    table: Table,
    reject_ids: Iterable[int] | None,
    principal: str,
    lock_seconds: float | None = None,
    waiting: Waiting | None = None,
) -> Receipt:
    """Judge kept rows again, as they stand in the ledger now; a load of door ``replay``.

    ``None`` are all that the table has. Rows that could not be read, or that name a column the
    table does not have, stay as they are: their other values alone would not be what was sent. So
    do the keys of deletes. Raises :class:`LoadFailed`, and then all stay as they are;
    ``lock_seconds`` and ``waiting`` are those of :func:`load`.
    """
    these = "true"
    if reject_ids is not None:
        array = "{" + ",".join(str(int(number)) for number in reject_ids) + "}"
        these = f"r.reject_id = any({literal(array)}::bigint[])"
    chosen = (
        "select r.reject_id from ledger.rejects as r where r.status in ('rejected', 'waiting') "
        f"and r.source = {literal(table.source)} and r.table_name = {literal(table.name)} "
        f"and {these} and {landing.is_whole(table, 'r')}"
    )
    origin = Origin("replay", principal)

    def work(connection: Connection) -> Receipt:
        return settle_rejects(connection, contract, table, chosen, origin)

    return attempt(engine, table, origin, KEEP_AND_LOAD, work, lock_seconds=lock_seconds, waiting=waiting)


def _came_before(connection: Connection, table: Table, origin: Origin, unless_loaded: bool) -> Receipt | None:
    """The receipt of the load that came under the same key or, if that is asked, with the same content."""
    earlier = _under_key(connection, table, origin)
    if earlier is None and unless_loaded and origin.content_hash is not None:
        loads.lock_content(connection, table, origin.content_hash, origin.op)
        load_id = loads.find_by_content(connection, table, origin.content_hash, origin.op)
        earlier = loads.read_receipt(connection, load_id) if load_id else None
    return replace(earlier, repeated=True) if earlier is not None else None


def _under_key(connection: Connection, table: Table, origin: Origin) -> Receipt | None:
    key = origin.idempotency_key
    if key is None:
        return None
    if not loads.lock_key(connection, table, origin.principal, key):
        raise StillRunning(f"a load with Idempotency-Key {key!r} has not ended yet")
    found = loads.find_by_key(connection, table, origin.principal, key)
    if found is None:
        return None
    if (found.content_hash, found.op) != (origin.content_hash, origin.op):
        raise KeyReused(f"Idempotency-Key {key!r} came before with another body")
    receipt = loads.read_receipt(connection, found.load_id)
    assert receipt is not None, "the load was found in this transaction"
    return receipt
