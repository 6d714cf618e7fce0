"""How many current rows each staging table has: counted where that is cheap, else estimated."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from loader.contract.model import Contract, Table
from loader.contract.types import literal
from loader.intake.sql import fetch

#: Below this size on disk a count takes a few milliseconds.
_COUNTED_BYTES = 2 << 20


@dataclass(frozen=True)
class Size:
    """``rows`` is ``None`` when nothing is known; ``exact`` when they were counted."""

    rows: int | None
    exact: bool


def table_sizes(connection: Connection, contract: Contract | list[Table]) -> dict[str, Size | None]:
    """Sizes by table id; ``None`` for a table that has not been made (`loader migrate` does)."""
    tables = list(contract)
    sizes: dict[str, Size | None] = {table.id: None for table in tables}
    found = connection.execute(
        sa.text(
            "select k.id, c.reltuples, pg_relation_size(c.oid) as bytes "
            "from unnest(cast(:ids as text[]), cast(:names as text[])) as k (id, name) "
            "inner join pg_class as c on c.oid = to_regclass(k.name)"
        ),
        {"ids": [table.id for table in tables], "names": [table.mirror for table in tables]},
    )
    to_count = []
    for row in found:
        if row.bytes <= _COUNTED_BYTES:
            to_count.append(row.id)
        # a table that was never analysed says -1
        sizes[row.id] = Size(int(row.reltuples) if row.reltuples >= 0 else None, exact=False)
    counts = " union all ".join(
        f"select {literal(table.id)}, count(*) from {table.mirror}" for table in tables if table.id in to_count
    )
    if counts:
        sizes |= {table_id: Size(rows, exact=True) for table_id, rows in fetch(connection, counts)}
    return sizes
