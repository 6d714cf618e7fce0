"""The one path of a load, whatever the door: decode → judge → store → receipt.

A load is one transaction. The rows are decoded into a landing without any lock; then the
tables concerned are locked, every row gets its verdict, and mirror, history, rejects and the
ledger's entry are written. Rows that had been waiting for what this load brought come in
within the same transaction, by loads of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import psycopg2
import psycopg2.errors
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from loader.contract.model import Contract, Table
from loader.contract.types import literal
from loader.intake import landing
from loader.intake.decode import NOTHING_SAID, Decoder, ReadFailure, Said, format_of_file, open_body
from loader.intake.receipt import Receipt
from loader.intake.settle import KEEP_AND_LOAD, Options, settle, settle_rejects
from loader.intake.sql import run
from loader.ledger import loads
from loader.ledger.loads import Origin

__all__ = ["KeyReused", "LoadFailed", "Options", "StillRunning", "load", "load_file",
           "load_stream", "replay"]  # fmt: skip

Progress = Callable[[int], None]


#: Rules of rows whose payload is for people to read: cut in one piece, or with signs replaced.
AS_SHOWN = ("unreadable", "too_many_fields", "too_few_fields")


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
    options: Options = KEEP_AND_LOAD,
    progress: Progress | None = None,
    lock_seconds: int | None = None,
) -> Receipt:
    """Load what the decoder yields into ``table``.

    ``lock_seconds``: how long to wait for another load into the same table; for ever if unsaid.
    With an Idempotency-Key that came before, the first receipt is given back. Raises
    :class:`LoadFailed`, :class:`KeyReused` or :class:`StillRunning`; then nothing has changed
    but the ledger's entry of the failure.
    """
    try:
        with engine.begin() as connection:
            if lock_seconds is not None:
                run(connection, f"set local lock_timeout = '{int(lock_seconds)}s'")
            earlier = _came_before(connection, table, origin)
            if earlier is not None:
                return earlier
            decoder = open_decoder()
            landing.fill(connection, table, decoder, progress)
            receipt = settle(connection, contract, table, replace(origin, format=decoder.found), options)
            if options.dry_run:
                raise _Rollback(replace(receipt, load_id=None, status="dry_run", releases=()))
            return receipt
    except _Rollback as left:
        return left.receipt
    except ReadFailure as error:
        raise _failed(engine, table, origin, options, str(error), is_body=True) from error
    except (DBAPIError, psycopg2.Error) as error:
        raise _failed(engine, table, origin, options, _why(error), is_body=False) from error


def _why(error: BaseException) -> str:
    """What ended the load, in words for who reads the receipt or the log.

    A lost connection is first noticed where it broke, and then again by whoever cleans up: the
    first error of the chain is the one that tells.
    """
    while error.__context__ is not None and isinstance(error.__context__, (DBAPIError, psycopg2.Error)):
        error = error.__context__
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, psycopg2.errors.LockNotAvailable):
        return "another load into this table is still running; send it again when that has ended"
    words = str(original).strip().splitlines() or [type(original).__name__]
    # without a code nobody answered any more; class 57P is a server that shuts down or was cut off
    code = getattr(original, "pgcode", None)
    if isinstance(original, (psycopg2.OperationalError, psycopg2.InterfaceError)) and (code or "57P")[:3] == "57P":
        return f"the database went away in the middle ({words[0]}); its log says why. Send it again when it is back"
    return f"the database ended the load: {words[0]}"


def load_stream(
    engine: Engine,
    contract: Contract,
    table: Table,
    stream: BinaryIO,
    format_: str,
    origin: Origin,
    options: Options = KEEP_AND_LOAD,
    progress: Progress | None = None,
    lock_seconds: int | None = None,
    said: Said = NOTHING_SAID,
) -> Receipt:
    """Load a body of a format that :func:`~loader.intake.decode.open_body` knows; see :func:`load`."""
    return load(
        engine, contract, table, lambda: open_body(stream, table, format_, said), origin, options, progress,
        lock_seconds,
    )  # fmt: skip


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
    said: Said = NOTHING_SAID,
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
            return open_body(file, table, format_of_file(path.name), said)

        return load(engine, contract, table, open_decoder, origin, options, progress)


def replay(engine: Engine, contract: Contract, table: Table, reject_ids: list[int], principal: str) -> Receipt:
    """Judge kept rows again, as they stand in the ledger now; a load of door ``replay``.

    Rows that could not be read, or that name a column the table does not have, stay as they
    are: their other values alone would not be what was sent.
    """
    columns = ", ".join(literal(name) for name in table.column_names)
    chosen = (
        "select r.reject_id from ledger.rejects as r where r.status in ('rejected', 'waiting') "
        f"and r.source = {literal(table.source)} and r.table_name = {literal(table.name)} "
        f"and r.reject_id = any({literal(_array(reject_ids))}::bigint[]) "
        # what is shown of these rows is not what they held
        f"and r.rule not in ({', '.join(literal(rule) for rule in AS_SHOWN)}) "
        "and not exists (select 1 from jsonb_object_keys(r.payload) as k(name) "
        f"where k.name not in ({columns}))"
    )
    with engine.begin() as connection:
        return settle_rejects(connection, contract, table, chosen, Origin("replay", principal))


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


def _failed(engine: Engine, table: Table, origin: Origin, options: Options, message: str, is_body: bool) -> LoadFailed:
    """Enter the failure, as far as the database can still be reached."""
    if options.dry_run:
        return LoadFailed(message, is_body)
    try:
        with engine.begin() as connection:
            entry = loads.enter_failure(connection, table, origin, options.on_reject, message)
    except DBAPIError:
        return LoadFailed(message, is_body)
    return LoadFailed(message, is_body, entry)
