"""A few plain rows that may all come in: one statement for the load, and no landing.

Source systems send row by row, and most rows are good. When every one of a few is plainly
spelled, breaks no rule, has its parents and is the first of its key, one statement writes the rows
and the load's entry, sent together with the locks: what others wait for is one way to the database
and the commit. When that can't be said of all, nothing has happened, and they take the way of others.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from loader.contract.model import Contract, Table
from loader.contract.types import literal
from loader.intake.admit import admissible
from loader.intake.decode import FEW, Batch
from loader.intake.receipt import Receipt
from loader.intake.settle import Options, follow, lock
from loader.intake.sql import equal, listed
from loader.intake.store import judges_unique
from loader.intake.warned import find_warnings, may_warn
from loader.ledger import loads
from loader.ledger.loads import Origin


def suits(table: Table, batches: list[Batch]) -> bool:
    """Whether all the rows are plainly spelled, and no rule looks beyond the key."""
    return (
        bool(table.primary_key)
        and 0 < sum(batch.received for batch in batches) <= FEW
        and not judges_unique(table)
        and all(not batch.unreadable and _is_plain(table, batch.dicts) for batch in batches)
    )


def _is_plain(table: Table, rows: list[dict[str, Any]]) -> bool:
    """As :class:`~loader.intake.landing.Plainness` has it, which is for many."""
    patterns = {column.name: column.type.plain for column in table.columns}
    for row in rows:
        for name, value in row.items():
            if value is None or name == "_row":
                continue
            pattern = patterns[name]
            if pattern is None or (pattern and not re.fullmatch(pattern, value)):
                return False
    return True


def bring(
    connection: Connection, contract: Contract, table: Table, origin: Origin, options: Options, batches: list[Batch]
) -> Receipt | None:
    """Let all the rows in, from the locks to the receipt; ``None``: not all may come in, and nothing has changed."""
    rows = [row for batch in batches for row in batch.dicts]
    given = [
        _array("bigint", (str(row["_row"]) for row in rows)),
        *(_array("text", (row.get(name) for row in rows)) for name in table.column_names),
        literal(json.dumps(loads.entry(table, origin, options.on_reject, contract.fingerprint), ensure_ascii=False)),
    ]
    with _prepared(connection, contract, table) as (name, preparing):
        entered = lock(connection, contract, table, f"{preparing}execute {name} ({', '.join(given)})")
    if not entered:
        return None
    receipt = Receipt(
        entered[0][0], table.source, table.name, origin.door, "succeeded", len(rows), accepted=len(rows), waiting=0,
        rejected=0, duplicates=0, format=origin.format,
    )  # fmt: skip
    if _is_all(contract, table):
        return receipt
    warned = replace(receipt, warnings=tuple(find_warnings(connection, contract, table, entered[0][0])))
    if warned.warnings:
        loads.close_load(connection, warned)
    return follow(connection, contract, table, warned)


def _is_all(contract: Contract, table: Table) -> bool:
    """Whether nothing follows when rows have come in: no table waits for them, and no rule only warns."""
    return not may_warn(table) and not any(contract.children(table))


#: Of the statements that connections have prepared.
_numbers = itertools.count()


@contextmanager
def _prepared(connection: Connection, contract: Contract, table: Table) -> Iterator[tuple[str, str]]:
    """The statement's name, and what has to be sent before it: nothing, if the connection has prepared it already.

    It is prepared behind the locks: that locks the tables too, and must not wait for these for ever.
    What is prepared does not go with a transaction that fails, so that after a failure nothing is known
    of what the connection holds, and all of it goes.
    """
    known, names = connection.info.pop("few", (None, {}))
    clearing = ""
    if known is not contract:
        clearing, names = "deallocate all; ", {}
    if name := names.get(table.id):
        yield name, ""
    else:
        name = f"few_{next(_numbers)}"
        types = ", ".join(["bigint[]", *(["text[]"] * len(table.columns)), "jsonb"])
        yield name, f"{clearing}prepare {name} ({types}) as {_statement(contract, table)}; "
    connection.info["few"] = (contract, names | {table.id: name})


def _statement(contract: Contract, table: Table) -> str:
    """SQL that brings a load, or does nothing; prepared once a connection, and planned once.

    Its parameters are arrays of the rows' numbers and of each column's texts, and the ledger's entry.
    """
    columns, key = listed(table.column_names), listed(table.primary_key)
    arrays = [f"${place}" for place in range(1, len(table.columns) + 2)]
    landing = f"(select *, true as _plain from unnest({', '.join(arrays)}) as given (_row, {columns}))"
    # a look-up, which the planner can't make a reading of the whole table while that is small
    stands = f"(select true from {table.mirror} as m where {equal(table.primary_key, 'm', 't')} limit 1)"
    return (
        f"with good as materialized ({admissible(contract, table, landing, in_bulk=False)} and {stands} is null), "
        f"load as materialized (select {loads.NEXT_ID} as _load_id, clock_timestamp() as _started_at "
        f"where (select count(distinct ({key})) from good) = cardinality($1)), "
        f"stored as (insert into {table.mirror} ({columns}, _row, _load_id, _loaded_at) "
        f"select {columns}, _row, _load_id, transaction_timestamp() from good cross join load), "
        + loads.entered_whole("load", "cardinality($1)", f"${len(arrays) + 1}", numbered=_is_all(contract, table))
    )


def _array(type_: str, values: Iterable[str | None]) -> str:
    return f"array[{', '.join('null' if value is None else literal(value) for value in values)}]::{type_}[]"
