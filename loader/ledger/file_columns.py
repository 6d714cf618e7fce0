"""What people said of the columns of their files, to be proposed the next time.

Of a name its digest is kept: a line that was taken for a header may hold a person's data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from loader.contract.model import Table
from loader.ledger.models import FileColumn


def said_before(connection: Connection, table: Table, names: Iterable[str]) -> dict[str, str | None]:
    """Of these names in files for the table: the column that each was said to be, ``None`` if it was left out."""
    digests = {_digest(name): name for name in names}
    query = sa.select(FileColumn.name_digest, FileColumn.column_name).where(
        FileColumn.source == table.source,
        FileColumn.table_name == table.name,
        FileColumn.name_digest.in_(digests),
    )
    return {digests[row.name_digest]: row.column_name for row in connection.execute(query)}


def remember(connection: Connection, table: Table, said: Mapping[str, str | None], who: str) -> None:
    """Keep what was said of a file that has been loaded; the last word holds."""
    digests = {_digest(name): target for name, target in said.items()}
    rows = [
        {"source": table.source, "table_name": table.name, "name_digest": digest, "column_name": target, "said_by": who}
        for digest, target in sorted(digests.items())  # in one order for everybody, so that nobody waits in a ring
    ]
    new = insert(FileColumn).values(rows)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[FileColumn.source, FileColumn.table_name, FileColumn.name_digest],
            set_={
                "column_name": new.excluded.column_name,
                "said_by": new.excluded.said_by,
                "said_at": sa.func.clock_timestamp(),
            },
        )
    )


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
