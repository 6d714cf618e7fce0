"""Rows that were not let in: how many, why, and each as it came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

from loader.ledger.models import Load, Mending, Reject, shown
from loader.pages.masking import Masks
from loader.permissions import Principal

PAGE = 20
#: Characters of a value, or of a name that the table does not have, that a page shows.
LONGEST = 2000
_NAMED = 50
REASONS = 3
OPEN = ("rejected", "waiting")


@dataclass(frozen=True)
class Reason:
    """One rule by which rows of a table are kept back."""

    status: str
    rule: str
    column: str | None
    message: str
    rows: int


@dataclass
class KeptBack:
    """The rows of one table that wait or were refused, and nobody has mended yet."""

    source: str
    table: str
    waiting: int = 0
    rejected: int = 0
    _rows: Counter[tuple[str, str, str | None, str]] = field(default_factory=Counter)

    def add(self, reason: Reason) -> None:
        """One more reason, or more rows of one that is there."""
        self._rows[reason.status, reason.rule, reason.column, reason.message] += reason.rows

    @property
    def reasons(self) -> list[Reason]:
        return [Reason(*told, rows) for told, rows in self._rows.items()]

    @property
    def top(self) -> list[Reason]:
        """The reasons that hold back the most rows."""
        return sorted(self.reasons, key=lambda reason: -reason.rows)[:REASONS]


def kept_back(connection: Connection, who: Principal, masks: Masks) -> list[KeptBack]:
    """Every table with open rows that they may see, the most rows first; reasons that look the same are one."""
    query = (
        sa.select(
            Reject.source,
            Reject.table_name,
            Reject.status,
            Reject.rule,
            Reject.column_name,
            # one of them: some messages name the row they clash with
            sa.func.min(Reject.message),
            sa.func.count(),
        )
        .where(Reject.status.in_(OPEN), who.reads(Reject))
        .group_by(Reject.source, Reject.table_name, Reject.status, Reject.rule, Reject.column_name)
    )
    found: dict[tuple[str, str], KeptBack] = {}
    for source, name, status, rule, column, message, rows in connection.execute(query):
        table = found.setdefault((source, name), KeptBack(source, name))
        mask = masks(source, name)
        words = mask.message({"rule": rule, "message": message})
        table.add(Reason(status, rule, mask.column(column), words, rows))
        if status == "waiting":
            table.waiting += rows
        else:
            table.rejected += rows
    return sorted(found.values(), key=lambda t: (-(t.waiting + t.rejected), t.source, t.table))


@dataclass(frozen=True)
class Filter:
    """Which rows to list, of those that ``who`` may see; ``status`` is ``open``, ``all`` or one of the ledger's."""

    who: Principal
    status: str = "open"
    source: str | None = None
    table: str | None = None
    load_id: int | None = None

    def apply(self, query: sa.Select[Any]) -> sa.Select[Any]:
        query = query.where(self.who.reads(Reject))
        if self.status == "open":
            query = query.where(Reject.status.in_(OPEN))
        elif self.status != "all":
            query = query.where(Reject.status == self.status)
        if self.source is not None:
            query = query.where(Reject.source == self.source, Reject.table_name == self.table)
        if self.load_id is not None:
            query = query.where(Reject.load_id == self.load_id)
        return query


def count_rows(connection: Connection, chosen: Filter) -> int:
    """How many rows the filter lets through."""
    query = chosen.apply(sa.select(sa.func.count()).select_from(Reject))
    return int(connection.execute(query).scalar_one())


#: The row as it came, each value cut to what a page can show.
_SHOWN = sa.literal_column(
    f"(select coalesce(jsonb_object_agg(left(key, {LONGEST}), left(value, {LONGEST})), '{{}}') "
    "from jsonb_each_text(ledger.rejects.payload))",
    type_=JSONB,
)


def list_rows(connection: Connection, chosen: Filter, page: int, size: int = PAGE) -> list[Any]:
    """One page of rows: of one load in its own order, else the newest first; pages from 1."""
    order = (Reject.row,) if chosen.load_id is not None else (Reject.reject_id.desc(),)
    columns = [column for column in shown(Reject) if column.key != "payload"]
    query = chosen.apply(sa.select(*columns, _SHOWN.label("payload"))).order_by(*order)
    return list(connection.execute(query.limit(size).offset((page - 1) * size)))


def find(connection: Connection, reject_id: int) -> sa.Row[Any] | None:
    """One row, with the ``op`` of the load that holds it; ``None`` if there is none of that number.

    ``again`` and ``again_status`` are of the row as it was kept anew when it was taken up, if it was.
    """
    anew = aliased(Reject)
    query = (
        sa.select(*shown(Reject), Load.op, anew.reject_id.label("again"), anew.status.label("again_status"))
        .join(Load, Load.load_id == Reject.load_id)
        .outerjoin(anew, sa.and_(anew.load_id == Reject.resolved_load_id, anew.row == Reject.resolved_row))
    )
    return connection.execute(query.where(Reject.reject_id == reject_id)).first()


def mendings_of(connection: Connection, row: sa.Row[Any]) -> list[sa.Row[Any]]:
    """What was changed in a row since it first arrived, whatever entry held it then: the oldest first."""
    query = (
        sa.select(Mending.__table__)
        .join(Reject, Reject.reject_id == Mending.reject_id)
        .where(Reject.first_load_id == row.first_load_id, Reject.first_row == row.first_row)
        .order_by(Mending.mending_id)
        .limit(_NAMED)
    )
    return list(connection.execute(query))


def next_open(connection: Connection, row: sa.Row[Any]) -> int | None:
    """The refused row of the same table that comes next, as the list has them: the newest first, then round."""
    query = sa.select(sa.func.max(Reject.reject_id)).where(
        Reject.status == "rejected", Reject.source == row.source, Reject.table_name == row.table_name
    )
    before = connection.scalar(query.where(Reject.reject_id < row.reject_id))
    return before or connection.scalar(query.where(Reject.reject_id > row.reject_id))


def refused(connection: Connection, source: str, table: str, most: int) -> Iterator[dict[str, Any]]:
    """The refused rows of a table, the oldest first, a thousand at a time: number, state, faults and values."""
    query = (
        sa.select(Reject.reject_id, Reject.mended, Reject.faults, Reject.payload)
        .where(Reject.status == "rejected", Reject.source == source, Reject.table_name == table)
        .order_by(Reject.reject_id)
        .limit(most)
    )
    for row in connection.execution_options(yield_per=1000).execute(query).mappings():
        yield dict(row)


@dataclass(frozen=True)
class Group:
    """Refused rows of a table that one rule keeps back, at one column or (``None``) as a whole."""

    source: str
    table: str
    rule: str
    column: str | None

    def apply(self, query: sa.Select[Any]) -> sa.Select[Any]:
        return query.where(
            Reject.status == "rejected", Reject.source == self.source, Reject.table_name == self.table,
            Reject.rule == self.rule, Reject.column_name.is_not_distinct_from(self.column),
        )  # fmt: skip

    def count(self, connection: Connection) -> int:
        return int(connection.scalar(self.apply(sa.select(sa.func.count()).select_from(Reject))) or 0)

    def values(self, connection: Connection, column: str, most: int) -> list[tuple[str | None, int]]:
        """What the rows hold in a column, each value with its rows: those of the most rows first."""
        held: Any = sa.func.jsonb_extract_path_text(Reject.payload, column)
        rows: Any = sa.func.count()
        query = self.apply(sa.select(held, rows)).group_by(held).order_by(rows.desc(), held).limit(most)
        return [(row[0], row[1]) for row in connection.execute(query)]

    def rows(self, connection: Connection, column: str, most: int) -> list[tuple[int, int, str | None]]:
        """(reject_id, how often mended, value of the column) of the rows, in their order."""
        held: Any = sa.func.jsonb_extract_path_text(Reject.payload, column)
        query = self.apply(sa.select(Reject.reject_id, Reject.mended, held)).order_by(Reject.reject_id).limit(most)
        return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def groups(connection: Connection, source: str, table: str) -> list[tuple[Group, int]]:
    """What keeps refused rows of a table back: the most rows first."""
    rows = sa.func.count()
    query = (
        sa.select(Reject.rule, Reject.column_name, rows)
        .where(Reject.status == "rejected", Reject.source == source, Reject.table_name == table)
        .group_by(Reject.rule, Reject.column_name)
        .order_by(rows.desc(), Reject.rule, Reject.column_name)
        .limit(_NAMED)
    )
    return [(Group(source, table, rule, column), number) for rule, column, number in connection.execute(query)]


def rows_let_in_by(connection: Connection, load_id: int) -> list[sa.Row[Any]]:
    """For a release or replay: the loads that its rows first arrived in, as
    (load_id, file_name, door, rows)."""
    query = (
        sa.select(Load.load_id, Load.file_name, Load.door, sa.func.count().label("rows"))
        .select_from(Reject)
        .join(Load, Load.load_id == Reject.first_load_id)
        .where(Reject.resolved_load_id == load_id)
        .group_by(Load.load_id)
        .order_by(Load.load_id)
        .limit(_NAMED)
    )
    return list(connection.execute(query))
