"""The landing: where rows stand as text, before anything is judged.

Temporary tables, gone with the transaction:

``landing``     ``_row``, the table's columns, all text, and ``_plain``: every value is spelled
                so that it is certain to be storable (see ``DataType.plain``)
``candidate``   ``_row``, the table's columns by their types, and ``_ok``: no type is missed and
                no rule that refuses is broken; ``_load_id`` as the mirror has it, or nothing
``fault``       ``_row``, the verdict, the faults, and of a row that waits the name of a parent it lacks
``unreadable``  rows that no column could hold
``arrived``     for a release or replay: the ledger's entry behind each row, and where the
                row first arrived
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from sqlalchemy import Connection

from loader.contract.model import Table
from loader.contract.types import literal
from loader.intake.decode import Batch, Unreadable
from loader.intake.sql import cursor, fetch, listed, run

Progress = Callable[[int], None]
#: So many rows that tables are better read whole than looked up.
BULK = 5000
COPY_SIZE = 1 << 20
_TABLES = ("landing", "unreadable", "arrived", "rest", "candidate", "fault", "repeated", "contest", "spoken_against")
#: SQL: a kept row is taken up again.
NOT_DISMISSED = "dismissed_at = null, dismissed_by = null, dismissed_why = null"
#: SQL: rows ``c`` of ``candidate`` that nothing has refused so far.
STANDS = "c._ok and not exists (select 1 from pg_temp.fault as f where f._row = c._row)"
ACCEPTED = f"pg_temp.candidate as c where {STANDS}"
_QUOTED = arrow_csv.WriteOptions(include_header=False)


def create(connection: Connection, table: Table) -> None:
    """Make the empty temporary tables of one load; those of an earlier one are dropped."""
    columns = ", ".join(f"{column.sql} text" for column in table.columns)
    typed = ", ".join(f"{column.sql} {column.type.sql}" for column in table.columns)
    run(connection, f"drop table if exists {', '.join('pg_temp.' + name for name in _TABLES)}")
    run(
        connection,
        f"create temp table landing (_row bigint, _plain boolean not null default false, {columns}) "
        "on commit drop; "
        f"create temp table candidate (_row bigint, {typed}, _load_id bigint, "
        "_ok boolean not null default true) on commit drop; "
        "create temp table unreadable (_row bigint, rule text, column_name text, message text, "
        "payload jsonb) on commit drop; "
        "create temp table arrived (_row bigint, reject_id bigint, load_id bigint, row bigint) "
        "on commit drop; "
        "create temp table fault (_row bigint, verdict text, faults jsonb, awaits bytea) on commit drop; "
        "create temp table repeated (_row bigint) on commit drop",
    )


def fill(connection: Connection, table: Table, batches: Iterable[Batch], progress: Progress | None = None) -> int:
    """Bring the batches into the landing; their number of rows. Memory is bounded by a batch."""
    create(connection, table)
    plainness = Plainness(table)
    received = 0
    for batch in batches:
        add(connection, batch.rows, plain=plainness.of(batch.rows))
        keep_aside(connection, batch.unreadable)
        received += batch.received
        if progress is not None:
            progress(received)
    if received >= BULK:
        prepare_for_bulk(connection)
    return received


def add(connection: Connection, rows: pa.RecordBatch, plain: pa.Array | bool) -> None:
    """Append rows of text; ``plain`` says of each, or of all, whether it is certain to be storable."""
    if rows.num_rows:
        is_plain = pa.repeat(pa.scalar(plain), rows.num_rows) if isinstance(plain, bool) else plain
        marked = rows.append_column("_plain", is_plain)
        copy(connection, f"pg_temp.landing ({listed(marked.schema.names)})", as_csv(marked))


def keep_aside(connection: Connection, rows: Sequence[Unreadable]) -> None:
    """Append rows that no column could hold."""
    lines = []
    for row in rows:
        payload = json.dumps(row.payload, ensure_ascii=False)
        fields = (str(row.row), row.rule, row.column, row.message, payload)
        lines.append(",".join("" if field is None else '"' + field.replace('"', '""') + '"' for field in fields))
    if lines:
        copy(connection, "pg_temp.unreadable", "\n".join(lines).encode())


def copy(connection: Connection, target: str, body: bytes, format_: str = "csv") -> None:
    """COPY a body of a format of COPY's, without a header; ``target`` is SQL for a table and its columns."""
    with cursor(connection) as copying:
        copying.copy_expert(f"copy {target} from stdin (format {format_})", BytesIO(body), COPY_SIZE)


def as_csv(rows: pa.RecordBatch) -> bytes:
    """The rows as CSV: a text is quoted, so that an empty one is not NULL."""
    out = BytesIO()
    arrow_csv.write_csv(rows, out, _QUOTED)
    return out.getvalue()


class Plainness:
    """Says of rows of text which are certain to be storable as they are meant."""

    def __init__(self, table: Table) -> None:
        self._patterns = {column.name: column.type.plain for column in table.columns}

    def of(self, rows: pa.RecordBatch) -> pa.Array:
        """One boolean a row: all its values are plainly spelled (see ``DataType.plain``)."""
        plain = pa.repeat(pa.scalar(True), rows.num_rows)
        for name in rows.schema.names[1:]:
            pattern, values = self._patterns[name], rows.column(name)
            if pattern is None:
                plain = pc.and_(plain, pc.is_null(values))
            elif pattern:
                matches = pc.match_substring_regex(values, pattern)
                plain = pc.and_(plain, pc.fill_null(matches, True))
        return plain


def is_bulk(connection: Connection) -> bool:
    """Whether the landing holds so many rows that tables are better read whole than looked up."""
    return bool(fetch(connection, f"select count(*) >= {BULK} from pg_temp.landing")[0][0])


def prepare_for_bulk(connection: Connection) -> None:
    """Plan for many rows until the transaction ends.

    The planner takes each rule of a contract for a rare event, and would look a million rows'
    parents up one by one.
    """
    run(connection, "analyze pg_temp.landing (_row)")
    run(connection, "set local enable_nestloop = off; set local work_mem = '64MB'")


#: Rules of rows whose payload is for people to read: cut in one piece, or with signs replaced.
_AS_SHOWN = ("unreadable", "too_many_fields", "too_few_fields")


def fill_from_rejects(connection: Connection, table: Table, load_id: int, chosen: str) -> int:
    """Bring rows kept in the ledger back into the landing, in the order they first arrived.

    ``chosen`` is SQL for the ``reject_id`` of the entries. They are marked as resolved by this
    load. Returns their number.
    """
    create(connection, table)
    taken = run(
        connection,
        "insert into pg_temp.arrived "
        "select row_number() over (order by r.first_load_id, r.first_row, r.reject_id), "
        "r.reject_id, r.first_load_id, r.first_row "
        f"from ledger.rejects as r where r.reject_id in ({chosen})",
    )
    if not taken:
        return 0
    values = ", ".join(f"r.payload ->> {literal(c.name)}" for c in table.columns)
    run(
        connection,
        f"insert into pg_temp.landing (_row, {listed(table.column_names)}) "
        f"select a._row, {values} from pg_temp.arrived as a "
        "inner join ledger.rejects as r on r.reject_id = a.reject_id order by a._row",
    )
    if taken >= BULK:
        prepare_for_bulk(connection)
    run(
        connection,
        f"update ledger.rejects as r set status = 'resolved', resolved_load_id = {load_id}, "
        f"resolved_row = a._row, resolved_at = clock_timestamp(), {NOT_DISMISSED} "
        "from pg_temp.arrived as a where a.reject_id = r.reject_id",
    )
    return taken


def is_whole(table: Table, alias: str) -> str:
    """SQL that is true of a kept row that may be judged again: what is kept of it is what was sent.

    Not so of rows that could not be read, unless somebody mended them, of keys of deletes, and of
    rows that name a column the table does not have: their other values alone would not be what was sent.
    """
    columns = ", ".join(literal(name) for name in table.column_names)
    return (
        f"(({alias}.mended > 0 or {alias}.rule not in ({', '.join(literal(rule) for rule in _AS_SHOWN)})) "
        f"and not exists (select 1 from ledger.loads as d where d.load_id = {alias}.load_id and d.op = 'delete') "
        f"and not exists (select 1 from jsonb_object_keys({alias}.payload) as k(name) "
        f"where k.name not in ({columns})))"
    )


def payload_of(alias: str) -> str:
    """SQL for the row as it came, from a landing row."""
    return f"to_jsonb({alias}.*) - '_row' - '_plain'"
