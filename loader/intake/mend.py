"""Mend rows kept in the ledger: other values, on record, and judged again.

A kept row is changed where it stands, and each change is entered (``ledger.mendings``): by whom,
when, from what to what. Judged again it comes in by a load of door ``replay``, as ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from loader.contract.model import Contract, Table
from loader.contract.types import literal
from loader.intake import landing
from loader.intake.attempt import Waiting, attempt
from loader.intake.pending import from_payload, key_digest
from loader.intake.receipt import Receipt
from loader.intake.settle import Options, lock, settle_rejects
from loader.intake.sql import fetch, run
from loader.ledger import loads
from loader.ledger.dismissals import OPEN
from loader.ledger.loads import Origin


@dataclass(frozen=True)
class Mend:
    """Other values of a kept row, as text; ``None`` empties a column, and takes away a name the table has not.

    ``seen``: how often the row had been mended when who mends it looked at it; ``None``: whatever it was.
    """

    reject_id: int
    values: Mapping[str, str | None]
    seen: int | None = None


class CanNotMend(Exception):
    """Nothing was changed; the sentence says which rows can't be mended, and why."""


class AnotherWasQuicker(CanNotMend):
    """The row is not open any more, or somebody mended it since it was looked at."""


def mend(
    engine: Engine,
    table: Table,
    mends: Sequence[Mend],
    principal: str,
    lock_seconds: float | None = None,
) -> int:
    """Change kept rows of a table, all of them or none, and leave them kept; how many were changed.

    Raises :class:`CanNotMend`, and ``DBAPIError`` when a load into the table does not end in time.
    """
    with engine.begin() as connection:
        if lock_seconds is not None:
            connection.execution_options(**{loads.PATIENCE: max(1, int(lock_seconds * 1000))})
        loads.lock_tables(connection, {table.id}, set())  # a load at work here may be letting such a row in
        return _write(connection, table, mends, principal)


def mend_and_judge(
    engine: Engine,
    contract: Contract,
    table: Table,
    mends: Sequence[Mend],
    principal: str,
    *,
    dry_run: bool = False,
    lock_seconds: float | None = None,
    waiting: Waiting | None = None,
) -> Receipt:
    """Change kept rows of a table and judge them again, in one transaction; the receipt of that load.

    A ``dry_run`` says what it would be. Raises :class:`CanNotMend`, and
    :class:`~loader.intake.attempt.LoadFailed` as :func:`~loader.intake.attempt.attempt` does, whose
    are ``lock_seconds`` and ``waiting``.
    """
    origin = Origin("replay", principal)

    def work(connection: Connection) -> Receipt:
        lock(connection, contract, table)
        _write(connection, table, mends, principal)
        chosen = "select r.reject_id from ledger.rejects as r inner join pg_temp.mend as m on m.reject_id = r.reject_id"
        found = fetch(connection, f"{chosen} where not {landing.is_whole(table, 'r')} order by 1 limit 10")
        if found:
            raise CanNotMend(
                f"{_named(found)} can't be judged: what is kept of it is not what was sent, or names a column that "
                f"{table.id} does not have. Give its values anew, and empty the others"
            )
        return settle_rejects(connection, contract, table, chosen, origin)

    options = Options(dry_run=dry_run)
    return attempt(engine, table, origin, options, work, lock_seconds=lock_seconds, waiting=waiting)


def _write(connection: Connection, table: Table, mends: Sequence[Mend], principal: str) -> int:
    """Enter the changes and make them; the tables' locks are held. ``mend`` names the rows."""
    rows = [
        {
            "reject_id": each.reject_id,
            "given": {k: v for k, v in each.values.items() if v is not None or k in table.column_names},
            "dropped": [k for k, v in each.values.items() if v is None and k not in table.column_names],
            "seen": each.seen,
        }
        for each in mends
    ]
    run(connection, "drop table if exists pg_temp.mend")
    run(
        connection,
        "create temp table mend on commit drop as select m.reject_id, m.seen, r.status, r.mended, l.op, "
        "r.payload as before, (r.payload || m.given) - m.dropped as after "
        f"from jsonb_to_recordset({literal(json.dumps(rows, ensure_ascii=False))}::jsonb) "
        "as m (reject_id bigint, given jsonb, dropped text[], seen integer) left join ledger.rejects as r "
        f"on r.reject_id = m.reject_id and r.source = {literal(table.source)} and r.table_name = {literal(table.name)} "
        "left join ledger.loads as l on l.load_id = r.load_id",
    )
    gone = f"status is null or status not in ({', '.join(map(literal, OPEN))})"
    if found := fetch(connection, f"select reject_id from pg_temp.mend where {gone} order by 1 limit 10"):
        raise AnotherWasQuicker(f"{_named(found)} is not kept any more: it was taken up or dismissed")
    if found := fetch(connection, "select reject_id from pg_temp.mend where seen <> mended order by 1 limit 10"):
        raise AnotherWasQuicker(f"{_named(found)} was mended by somebody else since")
    if found := fetch(connection, "select reject_id from pg_temp.mend where op = 'delete' order by 1 limit 10"):
        raise CanNotMend(f"{_named(found)} is a key to delete: send it again, as it should be")
    run(
        connection,
        "insert into ledger.mendings (reject_id, mended_by, changes) "
        f"select m.reject_id, {literal(principal)}, c.changes from pg_temp.mend as m cross join lateral ("
        "select jsonb_object_agg(name, jsonb_build_array(m.before -> name, m.after -> name)) as changes "
        "from (select jsonb_object_keys(m.before || m.after) as name) as n "
        "where m.before -> name is distinct from m.after -> name) as c where m.before <> m.after order by m.reject_id",
    )
    changed = run(
        connection,
        "update ledger.rejects as r set payload = m.after, mended = r.mended + 1, awaits = null "
        "from pg_temp.mend as m where r.reject_id = m.reject_id and m.before <> m.after",
    )
    run(  # by what stands now: the key may be another
        connection,
        f"update ledger.rejects as r set key_digest = {key_digest(table, from_payload('r'))} "
        "from pg_temp.mend as m where r.reject_id = m.reject_id and m.before <> m.after",
    )
    return changed


def _named(found: list[tuple[int]]) -> str:
    numbers = [str(number) for (number,) in found]
    return f"row {numbers[0]}" if len(numbers) == 1 else f"each of the rows {', '.join(numbers)}"
