"""The landing: where a load's rows stand as text, before anything is judged.

Temporary tables, gone with the transaction:

``landing``     ``_row``, the table's columns, all text, and ``_plain``: every value is spelled
                so that it is certain to be storable (see ``DataType.plain``)
``unreadable``  rows that no column could hold
``arrived``     for a release or replay: the ledger's entry behind each row, and where the
                row first arrived
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO, RawIOBase

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from sqlalchemy import Connection

from loader.contract.model import Table
from loader.contract.types import literal
from loader.intake.decode import Batch, Decoder
from loader.intake.sql import cursor, fetch, listed, run

Progress = Callable[[int], None]
_TABLES = ("landing", "unreadable", "arrived", "rest", "candidate", "fault", "repeated", "contest")
_COPY_SIZE = 1 << 20
_BULK = 5000


def create(connection: Connection, table: Table) -> None:
    """Make the empty temporary tables of one load; those of an earlier one are dropped."""
    columns = ", ".join(f"{column.sql} text" for column in table.columns)
    run(connection, f"drop table if exists {', '.join('pg_temp.' + name for name in _TABLES)}")
    run(
        connection,
        f"create temp table landing (_row bigint, _plain boolean not null default false, {columns}) "
        "on commit drop; "
        "create temp table unreadable (_row bigint, rule text, column_name text, message text, "
        "payload jsonb) on commit drop; "
        "create temp table arrived (_row bigint, reject_id bigint, load_id bigint, row bigint) "
        "on commit drop; "
        "create temp table fault (_row bigint, verdict text, faults jsonb) on commit drop; "
        "create temp table repeated (_row bigint) on commit drop",
    )


def fill(connection: Connection, table: Table, decoder: Decoder, progress: Progress | None = None) -> None:
    """Bring the decoder's rows into the landing; memory is bounded by a batch."""
    create(connection, table)
    with tempfile.SpooledTemporaryFile(max_size=8 << 20, mode="w+b") as aside:
        source = _CopySource(decoder, table, aside, progress)
        target = listed(("_row", *decoder.columns, "_plain"))
        with cursor(connection) as copying:
            try:
                copying.copy_expert(f"copy pg_temp.landing ({target}) from stdin (format csv)", source, _COPY_SIZE)
            except psycopg2.Error as error:
                if source.failure is not None:
                    raise source.failure from error
                raise
            if source.set_aside:
                aside.seek(0)
                copying.copy_expert("copy pg_temp.unreadable from stdin (format csv)", aside, _COPY_SIZE)
    if source.rows >= _BULK:
        prepare_for_bulk(connection)


def is_bulk(connection: Connection) -> bool:
    """Whether the landing holds so many rows that tables are better read whole than looked up."""
    return bool(fetch(connection, f"select count(*) >= {_BULK} from pg_temp.landing")[0][0])


def prepare_for_bulk(connection: Connection) -> None:
    """Plan for many rows until the transaction ends.

    The planner takes each rule of a contract for a rare event, and would look a million rows'
    parents up one by one.
    """
    run(connection, "analyze pg_temp.landing (_row)")
    run(connection, "set local enable_nestloop = off; set local work_mem = '64MB'")


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
    if taken >= _BULK:
        prepare_for_bulk(connection)
    run(
        connection,
        f"update ledger.rejects as r set status = 'resolved', resolved_load_id = {load_id}, "
        "resolved_row = a._row, resolved_at = clock_timestamp() "
        "from pg_temp.arrived as a where a.reject_id = r.reject_id",
    )
    return taken


class _CopySource(RawIOBase):
    """A file for COPY that decodes as it is read; unreadable rows go to ``aside``."""

    def __init__(
        self,
        decoder: Decoder,
        table: Table,
        aside: tempfile.SpooledTemporaryFile[bytes],
        progress: Progress | None,
    ) -> None:
        self._plain = {column.name: column.type.plain for column in table.columns}
        self._pieces = self._encode(decoder)
        self._piece = b""
        self._aside = aside
        self._progress = progress
        self.rows = 0
        self.set_aside = 0
        #: Why the body could not be read further: COPY reports it as an error of its own.
        self.failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._piece:
            try:
                self._piece = next(self._pieces)
            except StopIteration:
                return b""
            except Exception as failure:
                self.failure = failure
                raise
        if size < 0 or size >= len(self._piece):
            piece, self._piece = self._piece, b""
        else:
            piece, self._piece = self._piece[:size], self._piece[size:]
        return piece

    def _encode(self, decoder: Decoder) -> Iterator[bytes]:
        options = arrow_csv.WriteOptions(include_header=False)
        for batch in decoder:
            self._keep_aside(batch)
            self.rows += batch.rows.num_rows
            if batch.rows.num_rows:
                out = BytesIO()
                rows = batch.rows.append_column("_plain", self._is_plain(batch.rows))
                arrow_csv.write_csv(rows, out, options)
                yield out.getvalue()
            if self._progress is not None:
                self._progress(self.rows + self.set_aside)

    def _is_plain(self, rows: pa.RecordBatch) -> pa.Array:
        """Of each row, whether all its values are certain to be storable as they are meant."""
        plain = pa.array([True] * rows.num_rows, pa.bool_())
        for name in rows.schema.names[1:]:
            pattern, values = self._plain[name], rows.column(name)
            if pattern is None:
                plain = pc.and_(plain, pc.is_null(values))
            elif pattern:
                matches = pc.match_substring_regex(values, pattern)
                plain = pc.and_(plain, pc.fill_null(matches, True))
        return plain

    def _keep_aside(self, batch: Batch) -> None:
        for row in batch.unreadable:
            fields = (
                str(row.row), row.rule, row.column, row.message,
                json.dumps(row.payload, ensure_ascii=False),
            )  # fmt: skip
            line = ",".join("" if field is None else '"' + field.replace('"', '""') + '"' for field in fields)
            self._aside.write(line.encode() + b"\n")
        self.set_aside += len(batch.unreadable)


def payload_of(alias: str) -> str:
    """SQL for the row as it came, from a landing row."""
    return f"to_jsonb({alias}.*) - '_row' - '_plain'"
