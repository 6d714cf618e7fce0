"""A large body: its plain rows go straight into the table by COPY, the rest to the landing.

By way of the landing each value is written twice, as text and then typed. Here the rows whose
values are all certain to be storable are copied into the mirror while the body is read, and
judged there, all at once, within the transaction, where nobody else sees them. Those against
which something speaks are taken out again and go to the landing as they came, to be judged in
detail like any others: for these the body is read a second time.

A piece that holds a key twice, or one that stands already, can't be copied. Its rows become
candidates as they are, for their versions to be put in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import psycopg2.errors
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from loader.contract.model import Contract, Relationship, Table
from loader.contract.types import identifier
from loader.intake import landing, lineage
from loader.intake.ahead import ReadAhead
from loader.intake.binary import Binary
from loader.intake.decode import Batch, ReadFailure
from loader.intake.landing import Plainness, Progress
from loader.intake.row_set import RowSet
from loader.intake.sql import cursor, listed, refresh_statistics, run

#: Gives the batches of the body once more.
ReadAgain = Callable[[], Iterable[Batch]]
#: After a piece that could not be copied so many are not tried, then twice as many, and so on.
_FIRST_PAUSE = 1


def suits(table: Table) -> bool:
    """Whether rows may stand in the mirror before all of the load have been judged.

    Not where a table refers to itself: a row that is taken out again may be another's parent. Nor
    where COPY would read a value otherwise than the door does.
    """
    return all(r.parent != (table.source, table.name) for r in table.relationships) and all(
        column.type.is_input for column in table.columns
    )


def bring(
    connection: Connection,
    contract: Contract,
    table: Table,
    load_id: int,
    batches: Iterable[Batch],
    read_again: ReadAgain,
    progress: Progress | None = None,
) -> tuple[int, int]:
    """Bring the batches into mirror and landing; how many rows came, and how many were copied into the mirror.

    Memory is bounded by some batches and a bit a row.
    """
    landing.create(connection, table)
    copying = _Copying(connection, table, load_id)
    received = 0
    with ReadAhead(_pieces(batches, table, load_id)) as pieces:
        for piece in pieces:
            if not copying.takes(piece):
                piece.copy_into(connection, "pg_temp.candidate")
            landing.add(connection, piece.rest, plain=False)
            landing.keep_aside(connection, piece.batch.unreadable)
            received += piece.batch.received
            if progress is not None:
                progress(received)
    landing.prepare_for_bulk(connection)
    refresh_statistics(connection, table, copying.copied)
    _take_out(connection, contract, table, load_id)
    _land_again(connection, "select _row from pg_temp.spoken_against", read_again)
    return received, copying.copied


def land_refused(connection: Connection, read_again: ReadAgain) -> None:
    """Bring to the landing the rows in ``fault`` that never were there, to be kept as they came.

    Such are candidates without a parent, and those that an earlier row of the load pushes out: of
    two events, or of two rows with one value of a ``unique`` rule.
    """
    refused = "select _row from pg_temp.fault where _row not in (select _row from pg_temp.landing)"
    _land_again(connection, refused, read_again)


def _land_again(connection: Connection, query: str, read_again: ReadAgain) -> None:
    """Read the rows whose numbers the query gives once more, into the landing."""
    wanted = RowSet()
    with cursor(connection) as reading:
        reading.copy_expert(f"copy ({query}) to stdout", wanted)
    if not wanted.count:
        return
    found = 0
    with ReadAhead(wanted.among(batch.rows) for batch in read_again()) as chosen:
        for rows in chosen:
            found += rows.num_rows
            landing.add(connection, rows, plain=False)
    if found != wanted.count:
        raise ReadFailure("the body changed while it was read; load it again when nobody writes to it")


@dataclass(frozen=True)
class _Piece:
    """A batch, sorted: ``ready`` are its ``plain`` rows as COPY takes them into ``columns``."""

    batch: Batch
    plain: int
    rest: pa.RecordBatch
    columns: tuple[str, ...]
    ready: bytes
    format: str

    def copy_into(self, connection: Connection, relation: str) -> None:
        landing.copy(connection, f"{relation} ({listed(self.columns)})", self.ready, self.format)


def _pieces(batches: Iterable[Batch], table: Table, load_id: int) -> Iterator[_Piece]:
    plainness, binary = Plainness(table), Binary(table)
    required = [c.name for c in table.columns if c.required or c.name in table.primary_key]
    for batch in batches:
        is_plain = plainness.of(batch.rows)
        for name in required:
            if name in batch.rows.schema.names:
                is_plain = pc.and_(is_plain, pc.is_valid(batch.rows.column(name)))
            else:
                is_plain = pa.repeat(pa.scalar(False), batch.rows.num_rows)
        plain = batch.rows.filter(is_plain)
        marked = plain.append_column("_load_id", pa.repeat(pa.scalar(load_id), plain.num_rows))
        rest = batch.rows.filter(pc.invert(is_plain))
        columns, written = tuple(marked.schema.names), binary.write(marked)
        if written is not None:
            yield _Piece(batch, plain.num_rows, rest, columns, written, "binary")
        else:
            yield _Piece(batch, plain.num_rows, rest, columns, landing.as_csv(marked), "csv")


class _Copying:
    """Copies pieces into the mirror, each under a savepoint of its own."""

    def __init__(self, connection: Connection, table: Table, load_id: int) -> None:
        self._connection = connection
        self._table = table
        self._pause = _FIRST_PAUSE
        self._pass_over = 0
        self.copied = 0

    def takes(self, piece: _Piece) -> bool:
        """Whether the piece stands in the mirror now; not when one of its keys did already."""
        if self._pass_over:
            self._pass_over -= 1
            return False
        before = self._connection.begin_nested()
        try:
            piece.copy_into(self._connection, self._table.mirror)
        except psycopg2.errors.UniqueViolation:
            before.rollback()
            self._pass_over, self._pause = self._pause, self._pause * 2
            return False
        before.commit()
        self.copied += piece.plain
        return True


def _take_out(connection: Connection, contract: Contract, table: Table, load_id: int) -> None:
    """Take out of the mirror again the copied rows that break a rule, lack a parent or had been deleted.

    Of the candidates those that break a rule; the rest is said of them where it is of all.
    """
    joins, lacking = [], []
    for index, relationship in enumerate(r for r in table.relationships if r.severity == "error"):
        parent, lacks = _parent(contract, relationship, f"_parent_{index}")
        joins.append(parent)
        lacking.append(lacks)
    stands = " and ".join(rule.stands for rule in table.errors()) or "true"
    against = [f"not ({stands})", *lacking]
    # most loads have no such row: looking for them can be shared among workers, deleting can't. The
    # planner takes each rule for one that most rows break, and would not share for fear of their number
    run(connection, "set local parallel_tuple_cost = 0")
    run(
        connection,
        "create temp table spoken_against on commit drop as "
        f"select t.ctid as _place, t._row from {table.mirror} as t {' '.join(joins)} "
        f"where t._load_id = {load_id} and ({' or '.join(against)})",
    )
    # a statement of its own: one that asks first whether anything was ever deleted is not shared
    run(
        connection,
        f"insert into pg_temp.spoken_against select t.ctid, t._row from {table.mirror} as t "
        f"where {lineage.was_deleted(table, 't')} and t._load_id = {load_id} "
        "and not exists (select 1 from pg_temp.spoken_against as s where s._row = t._row)",
    )
    # by their place, which only a nested loop looks up
    run(connection, "set local enable_nestloop = on")
    run(connection, f"delete from {table.mirror} as m using pg_temp.spoken_against as s where m.ctid = s._place")
    run(connection, "set local enable_nestloop = off")
    run(
        connection,
        f"with gone as (delete from pg_temp.candidate where not ({stands}) returning _row) "
        "insert into pg_temp.spoken_against (_row) select _row from gone",
    )


def _parent(contract: Contract, relationship: Relationship, alias: str) -> tuple[str, str]:
    """SQL that joins a row ``t`` with its parent, and SQL that is true when it lacks one."""
    parent = contract.tables[relationship.parent]
    names = [f"{alias}_{place}" for place in range(len(relationship.columns))]
    fields = ", ".join(
        f"{identifier(field)} as {name}" for field, name in zip(relationship.parent_columns, names, strict=True)
    )
    is_key = set(parent.primary_key) <= set(relationship.parent_columns)
    pairs = list(zip(relationship.columns, names, strict=True))
    match = " and ".join(f"{alias}.{name} = t.{identifier(own)}" for own, name in pairs)
    join = f"left join (select {'' if is_key else 'distinct '}{fields} from {parent.mirror}) as {alias} on {match}"
    lacks = [f"{alias}.{names[0]} is null", *(f"t.{identifier(own)} is not null" for own, _ in pairs)]
    if relationship.where is not None:
        lacks.append(f"({relationship.where}) is true")
    return join, f"({' and '.join(lacks)})"
