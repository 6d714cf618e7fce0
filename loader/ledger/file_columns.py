"""What people said of the columns of their files, to be proposed the next time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from loader.contract.model import Table
from loader.ledger.models import FileColumn

#: A longer name is not remembered.
_LONGEST = 200


def said_before(connection: Connection, table: Table, names: Iterable[str]) -> dict[str, str | None]:
    """Of these names in files for the table: the column that each was said to be, ``None`` if it was left out."""
    query = sa.select(FileColumn.name, FileColumn.column_name).where(
        FileColumn.source == table.source,
        FileColumn.table_name == table.name,
        FileColumn.name.in_([name for name in names if _can_be_kept(name)]),
    )
    return {row.name: row.column_name for row in connection.execute(query)}


def remember(connection: Connection, table: Table, said: Mapping[str, str | None], who: str) -> None:
    """Keep what was said of a file that has been loaded; the last word holds."""
    rows = [
        {"source": table.source, "table_name": table.name, "name": name, "column_name": said[name], "said_by": who}
        for name in sorted(said)  # in one order for everybody, so that nobody waits in a ring
        if _can_be_kept(name)
    ]
    if not rows:
        return
    new = insert(FileColumn).values(rows)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[FileColumn.source, FileColumn.table_name, FileColumn.name],
            set_={
                "column_name": new.excluded.column_name,
                "said_by": new.excluded.said_by,
                "said_at": sa.func.clock_timestamp(),
            },
        )
    )


def _can_be_kept(name: str) -> bool:
    return len(name) <= _LONGEST and "\0" not in name and not any("\ud800" <= sign <= "\udfff" for sign in name)
