"""One attempt at a load: a transaction, and what is said when it does not end as it should.

Everything that changes the staging tables goes through here: loads, replays, undos.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg2
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from loader.contract.model import Table
from loader.database import ended_by, went_away
from loader.intake.aftermath import CanNotStand
from loader.intake.decode import ReadFailure
from loader.intake.receipt import Receipt
from loader.intake.settle import Options
from loader.ledger import loads
from loader.ledger.loads import Origin

#: Is told the name of each table that another load holds, before it is waited for.
Waiting = Callable[[str], None]

#: How long a database that went away in a commit is waited for, to be asked what that came to.
_COME_BACK_SECONDS = 5.0


class LoadFailed(Exception):
    """Nothing was changed; the sentence says why. ``load_id`` is the ledger's failed entry.

    ``is_body`` when the body can't be read, and not the database that ended the load.
    ``is_unknown`` when the database went away in the very commit and did not come back to be asked:
    then the load may stand.
    """

    def __init__(
        self,
        message: str,
        is_body: bool,
        load_id: int | None = None,
        is_unknown: bool = False,
        done: str = "loaded",
    ) -> None:
        self.message = message
        self.is_body = is_body
        self.load_id = load_id
        self.is_unknown = is_unknown
        self._done = done
        super().__init__(message)

    @property
    def outcome(self) -> str:
        """What became of the load, as the beginning of a sentence."""
        return f"It is not known whether it was {self._done}" if self.is_unknown else f"Nothing was {self._done}"


class _Rollback(Exception):
    """Leaves the transaction without effect, with the receipt that it would have had."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt


def attempt(
    engine: Engine,
    table: Table,
    origin: Origin,
    options: Options,
    work: Callable[[Connection], Receipt],
    *,
    lock_seconds: float | None = None,
    waiting: Waiting | None = None,
) -> Receipt:
    """Do ``work`` in a transaction of its own: its receipt, once it stands (or would, of a dry run).

    ``lock_seconds``: how long to wait for another load into the same table; for ever if unsaid,
    which nobody may do who serves others. ``waiting`` is told each table that is waited for. A
    commit that is not answered is asked for. Raises :class:`LoadFailed`; then nothing has changed
    but the ledger's entry of the failure, unless it says that nobody knows.
    """
    done: Receipt | None = None
    try:
        with engine.begin() as connection:
            _wait_at_most(connection, lock_seconds, waiting)
            receipt = work(connection)
            if options.dry_run and not receipt.repeated:
                raise _Rollback(receipt.as_dry_run())
            done = receipt
        return done
    except _Rollback as left:
        return left.receipt
    except (ReadFailure, CanNotStand) as error:
        raise _failed(engine, table, origin, options, str(error), is_body=True) from error
    except (DBAPIError, psycopg2.Error) as error:
        if done is not None and went_away(error) and _stands(engine, table, done, origin, error):
            return done
        raise _failed(engine, table, origin, options, ended_by(error), is_body=False) from error


def _stands(engine: Engine, table: Table, done: Receipt, origin: Origin, error: BaseException) -> bool:
    """Whether a load stands whose commit was not answered.

    The database is asked, once it is back and the load has ended there. Raises :class:`LoadFailed`,
    ``is_unknown``, if it can't be asked.
    """
    give_up = time.monotonic() + _COME_BACK_SECONDS
    while True:
        try:
            with engine.begin() as connection:
                _wait_at_most(connection, _COME_BACK_SECONDS, None)
                loads.lock_tables(connection, {table.id}, set())  # held until the load's own backend has ended
                return loads.stands(connection, done, origin)
        except (DBAPIError, psycopg2.Error):
            if time.monotonic() > give_up:
                raise LoadFailed(ended_by(error), is_body=False, is_unknown=True, done=_done(origin)) from error
        time.sleep(0.1)


def _wait_at_most(connection: Connection, seconds: float | None, waiting: Waiting | None) -> None:
    """How the transaction waits for locks, and who is told of it."""
    if seconds is not None:  # 0 would mean for ever
        connection.execution_options(**{loads.PATIENCE: max(1, int(seconds * 1000))})  # said with the first lock
    if waiting is not None:
        connection.execution_options(**{loads.WAITING: waiting})


def _failed(engine: Engine, table: Table, origin: Origin, options: Options, message: str, is_body: bool) -> LoadFailed:
    """Enter the failure, as far as the database can still be reached."""
    entry = None
    if not options.dry_run:
        try:
            with engine.begin() as connection:
                entry = loads.enter_failure(connection, table, origin, options.on_reject, message)
        except (DBAPIError, psycopg2.Error):
            pass  # what ended the load is said, and that it can't be entered either is no news
    return LoadFailed(message, is_body, entry, done=_done(origin))


def _done(origin: Origin) -> str:
    return "undone" if origin.door == "undo" else "loaded"
