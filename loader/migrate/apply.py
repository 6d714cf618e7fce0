"""Applies the plan: all of it in one transaction, one migrate at a time, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from loader.contract.faults import ContractError
from loader.contract.model import Contract
from loader.ledger.upgrade import upgrade_ledger
from loader.migrate.locks import is_lock_timeout, lock_timeout, stand_in_a_row, take_locks, timeouts_explained
from loader.migrate.plan import Plan
from loader.migrate.planner import make_plan
from loader.migrate.sql import run
from loader.remedy import Remedy

LOCK_SECONDS = 10.0
#: Plans made under locks differ from the last one only while others change the catalog.
_ROUNDS = 5


class Refused(ContractError):
    """The plan holds refusals, so nothing of it was applied; ``faults`` names each."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(list(plan.refusals))


def _quiet(*_: object) -> None:
    pass


def migrate(
    engine: sa.Engine,
    contract: Contract,
    plan_only: bool = False,
    *,
    say: Callable[[str], None] = _quiet,
    progress: Callable[[int, int], None] = _quiet,
    lock_seconds: float = LOCK_SECONDS,
) -> Plan:
    """Makes the database what the contract says, and returns what was done.

    With ``plan_only`` nothing is changed, and refusals are in the returned plan. Else raises
    :class:`Refused` when there are any; :class:`Remedy` when a table stays in use for
    ``lock_seconds``, when a newer program made the ledger, or when the database will not do a
    statement. After any of these the database is as it was. ``say`` hears of waiting, ``progress`` how many
    changes of how many are made.
    """
    with engine.connect() as connection:
        if plan_only:
            with timeouts_explained(engine, lock_seconds), connection.begin():
                # said of this transaction: the driver would remember it, and say more at each one of the connection's
                connection.exec_driver_sql("set transaction isolation level repeatable read, read only")
                lock_timeout(connection, lock_seconds)
                return make_plan(connection, contract)
        with timeouts_explained(engine, lock_seconds), connection.begin():
            stand_in_a_row(connection, say)
            plan = _locked_plan(connection, contract, lock_seconds)
            _apply(connection, plan, progress)
    return plan


def _locked_plan(connection: sa.Connection, contract: Contract, seconds: float) -> Plan:
    """A plan that still holds when its tables are locked: rows may arrive while we wait."""
    lock_timeout(connection, seconds)
    plan = make_plan(connection, contract)
    for _ in range(_ROUNDS):
        if plan.refusals:
            raise Refused(plan)
        take_locks(connection, plan.locks, seconds)
        lock_timeout(connection, seconds)
        again = make_plan(connection, contract) if plan.locks else plan
        if again == plan:
            return plan
        plan = again
    raise Remedy(
        "The tables and views of the contract are being changed by somebody else.",
        "Migrate again when that has ended.",
    )


def _apply(connection: sa.Connection, plan: Plan, progress: Callable[[int, int], None]) -> None:
    if plan.ledger.is_needed:
        with _explained(str(plan.ledger)):
            upgrade_ledger(connection)
    for number, change in enumerate(plan.changes):
        progress(number, len(plan.changes))
        for statement in change.statements:
            with _explained(f"{change.subject}: {' '.join(statement.split())[:200]}"):
                run(connection, statement)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turns what the database says of a statement into a :class:`Remedy`."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or error.orig is None or is_lock_timeout(error):
            raise
        raise Remedy(
            f"PostgreSQL does not do this: {what} ({str(error.orig).strip()}).",
            "Nothing was changed. Mend what it names, and migrate again.",
        ) from error
