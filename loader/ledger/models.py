"""The tables of the schema ``ledger``.

What stands in a database is made by the revisions under ``migrations/``; a test holds the
two against each other.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from loader.permissions import ROLES

SCHEMA = "ledger"
LOAD_STATUSES = ("running", "succeeded", "refused", "failed")
LOAD_OPS = ("load", "delete")
REJECT_STATUSES = ("rejected", "waiting", "resolved", "dismissed")

#: PostgreSQL's own way to name what is given no name.
_NAMES = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}


#: Of a column that serves a search, and says nothing to who reads a list.
_INNER = {"inner": True}


class Base(DeclarativeBase):
    metadata = sa.MetaData(schema=SCHEMA, naming_convention=_NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: sa.BigInteger,
        str: sa.Text,
        datetime: sa.DateTime(timezone=True),
        float: sa.Double,
        list[Any]: JSONB,
        dict[str, Any]: JSONB,
    }


def _identity() -> Mapped[int]:
    return mapped_column(sa.Identity(always=True), primary_key=True)


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} in ({', '.join(repr(value) for value in values)})"


def shown(model: type[Base]) -> list[sa.ColumnElement[Any]]:
    """The columns that lists in the API and on pages have."""
    return [column for column in sa.inspect(model).columns if not column.info.get("inner")]


class Load(Base):
    """One load: what came, by which door, and what became of its rows.

    ``seq`` is the order in which loads became visible, given as the last act before commit;
    ``load_id`` is the order in which they began.
    """

    __tablename__ = "loads"

    load_id: Mapped[int] = _identity()
    seq: Mapped[int | None] = mapped_column(unique=True)
    source: Mapped[str]
    table_name: Mapped[str]
    door: Mapped[str]
    principal: Mapped[str]
    status: Mapped[str]
    received: Mapped[int] = mapped_column(server_default=sa.text("0"))
    accepted: Mapped[int] = mapped_column(server_default=sa.text("0"))
    waiting: Mapped[int] = mapped_column(server_default=sa.text("0"))
    rejected: Mapped[int] = mapped_column(server_default=sa.text("0"))
    duplicates: Mapped[int] = mapped_column(server_default=sa.text("0"))
    warnings: Mapped[list[Any]] = mapped_column(server_default=sa.text("'[]'::jsonb"))
    started_at: Mapped[datetime] = mapped_column(server_default=sa.text("clock_timestamp()"))
    finished_at: Mapped[datetime | None]
    file_name: Mapped[str | None]
    content_hash: Mapped[str | None]
    idempotency_key: Mapped[str | None]
    on_reject: Mapped[str] = mapped_column(server_default="quarantine")
    #: The load that made this one happen: a parent's arrival that let rows in, a parent's
    #: going that made rows wait (door `cascade`), or the load that this one undoes (door `undo`).
    cause_load_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ledger.loads.load_id"))
    contract_fingerprint: Mapped[str | None]
    message: Mapped[str | None]
    #: Whether it brings rows, or takes keys away.
    op: Mapped[str] = mapped_column(server_default="load")
    #: The undo by which the load does not stand any more; ``None`` again when that was undone.
    undone_by_load_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ledger.loads.load_id"))
    #: What the body turned out to be; NULL where there was none, as from a form.
    format: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

    __table_args__ = (
        sa.CheckConstraint(_one_of("status", LOAD_STATUSES), name="status"),
        sa.CheckConstraint(_one_of("op", LOAD_OPS), name="op"),
        sa.CheckConstraint("received = accepted + waiting + rejected + duplicates", name="conservation"),
        sa.Index(
            "loads_idempotency_key_idx",
            "source",
            "table_name",
            "principal",
            "idempotency_key",
            unique=True,
            postgresql_where=sa.text(
                "idempotency_key is not null and status <> 'failed' and undone_by_load_id is null"
            ),
        ),
        sa.Index("loads_table_idx", "source", "table_name", sa.text("load_id desc")),
        sa.Index(
            "loads_content_hash_idx",
            "content_hash",
            postgresql_where=sa.text("content_hash is not null"),
        ),
        sa.Index("loads_deletes_idx", "source", "table_name", postgresql_where=sa.text("op = 'delete'")),
        sa.Index(
            "loads_senders_keys_idx",
            "principal",
            "idempotency_key",
            postgresql_where=sa.text("idempotency_key is not null"),
        ),
        sa.Index("loads_in_vain_idx", "status", "load_id", postgresql_where=sa.text("status in ('refused', 'failed')")),
        sa.Index("loads_cause_idx", "cause_load_id", postgresql_where=sa.text("cause_load_id is not null")),
        sa.Index("loads_finished_idx", "finished_at"),
        sa.Index("loads_seq_of_table_idx", "source", "table_name", "seq", postgresql_where=sa.text("seq is not null")),
    )


class Progress(Base):
    """How far a load that runs is; its own entry is invisible until it has ended.

    It holds for as long as the load's transaction, ``transaction_id``, does: what is left of a
    load that was killed says nothing any more. Unlogged, since after a crash nothing runs.
    """

    __tablename__ = "progress"

    progress_id: Mapped[int] = _identity()
    #: NULL while the rows of a load that has no number yet are brought.
    load_id: Mapped[int | None]
    source: Mapped[str]
    table_name: Mapped[str]
    door: Mapped[str]
    principal: Mapped[str]
    idempotency_key: Mapped[str | None]
    rows: Mapped[int]
    #: How much of the body has been read, and of how much; NULL where it is not read from front to end.
    bytes: Mapped[int | None]
    size: Mapped[int | None]
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    #: For who has to end it: ``select pg_terminate_backend(…)``.
    backend_pid: Mapped[int]
    transaction_id: Mapped[int]

    __table_args__ = ({"prefixes": ["unlogged"]},)


class Reject(Base):
    """One row that was not let in: its first fault in the columns, all of them in ``faults``.

    ``first_load_id`` and ``first_row`` say where the row first arrived, whatever load holds
    it now; ``resolved_…`` the load and row by which it came in at last.
    """

    __tablename__ = "rejects"

    reject_id: Mapped[int] = _identity()
    load_id: Mapped[int] = mapped_column(sa.ForeignKey("ledger.loads.load_id"))
    row: Mapped[int]
    source: Mapped[str]
    table_name: Mapped[str]
    status: Mapped[str]
    rule: Mapped[str]
    column_name: Mapped[str | None]
    message: Mapped[str]
    faults: Mapped[list[Any]]
    payload: Mapped[dict[str, Any]]
    first_load_id: Mapped[int]
    first_row: Mapped[int]
    resolved_load_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ledger.loads.load_id"))
    resolved_row: Mapped[int | None]
    resolved_at: Mapped[datetime | None]
    #: When, by whom and why a row was put aside that nobody will mend.
    dismissed_at: Mapped[datetime | None]
    dismissed_by: Mapped[str | None]
    dismissed_why: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.text("now()"))
    #: Of a row that waits: under which name, of one parent that it lacks; NULL: it is asked about whatever comes.
    awaits: Mapped[bytes | None] = mapped_column(info=_INNER)
    #: Of a row that may come in yet, where arrival orders the versions of a key: which key it has.
    key_digest: Mapped[bytes | None] = mapped_column(info=_INNER)
    #: How often its values were changed since it came; see :class:`Mending`.
    mended: Mapped[int] = mapped_column(sa.Integer, server_default=sa.text("0"))

    __table_args__ = (
        sa.UniqueConstraint("load_id", "row"),
        sa.CheckConstraint(_one_of("status", REJECT_STATUSES), name="status"),
        sa.CheckConstraint(
            "(status = 'dismissed') = (num_nulls(dismissed_at, dismissed_by, dismissed_why) = 0)", name="dismissed"
        ),
        sa.Index(
            "rejects_waiting_idx",
            "source",
            "table_name",
            "awaits",
            postgresql_where=sa.text("status = 'waiting'"),
        ),
        sa.Index("rejects_status_idx", "status", "source", "table_name", sa.text("reject_id desc")),
        sa.Index(
            "rejects_resolved_idx",
            "resolved_load_id",
            "resolved_row",
            postgresql_where=sa.text("resolved_load_id is not null"),
        ),
        sa.Index("rejects_first_idx", "first_load_id", "first_row"),
        sa.Index("rejects_key_idx", "key_digest", postgresql_where=sa.text("key_digest is not null")),
    )


class Mending(Base):
    """One change of a kept row: by whom, when, and by column the value before and after (JSON, as it was kept)."""

    __tablename__ = "mendings"

    mending_id: Mapped[int] = _identity()
    reject_id: Mapped[int] = mapped_column(sa.ForeignKey("ledger.rejects.reject_id"))
    mended_at: Mapped[datetime] = mapped_column(server_default=sa.text("clock_timestamp()"))
    mended_by: Mapped[str]
    changes: Mapped[dict[str, Any]]

    __table_args__ = (sa.Index("mendings_reject_idx", "reject_id"),)


class FileColumn(Base):
    """A column's name in files for a table, as SHA-256 in hex, and the table's column that it was last said to be;
    NULL: left out."""

    __tablename__ = "file_columns"

    source: Mapped[str] = mapped_column(primary_key=True)
    table_name: Mapped[str] = mapped_column(primary_key=True)
    name_digest: Mapped[str] = mapped_column(primary_key=True)
    column_name: Mapped[str | None]
    said_at: Mapped[datetime] = mapped_column(server_default=sa.text("clock_timestamp()"))
    said_by: Mapped[str]


class Clock(Base):
    """One row: the last ``seq`` that was given. Whoever gives the next one locks it."""

    __tablename__ = "clock"

    singleton: Mapped[bool] = mapped_column(primary_key=True, server_default=sa.text("true"))
    last_seq: Mapped[int] = mapped_column(server_default=sa.text("0"))

    __table_args__ = (sa.CheckConstraint("singleton", name="singleton"),)


class User(Base):
    """A person who may log in to the pages."""

    __tablename__ = "users"

    user_id: Mapped[int] = _identity()
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default=sa.text("true"))
    role: Mapped[str] = mapped_column(server_default=sa.text("'viewer'"))
    tables: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default=sa.text("'{*}'"))
    #: Raised to end the user's sessions: by a new password, a log-out, a closing.
    session_epoch: Mapped[int] = mapped_column(server_default=sa.text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=sa.text("now()"))
    last_login_at: Mapped[datetime | None]

    __table_args__ = (sa.CheckConstraint(_one_of("role", tuple(ROLES)), name="role"),)


class FailedLogin(Base):
    """How often a login failed of late: of a name (its SHA-256) from an address, and under the
    empty name of the address in all."""

    __tablename__ = "failed_logins"

    name_hash: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    failed_at: Mapped[datetime]


class Token(Base):
    """A bearer token of the API: only its SHA-256, in hexadecimal, is kept."""

    __tablename__ = "tokens"

    token_id: Mapped[int] = _identity()
    name: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=sa.text("now()"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_by: Mapped[str | None]
    actions: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default=sa.text("'{read,load}'"))
    tables: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default=sa.text("'{*}'"))


class Build(Base):
    """One dbt build: it sees the loads whose ``seq`` is at most ``upper_bound``."""

    __tablename__ = "builds"

    build_id: Mapped[int] = _identity()
    invocation_id: Mapped[str | None]
    command: Mapped[str | None]
    upper_bound: Mapped[int]
    as_of: Mapped[date | None]
    status: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(server_default=sa.text("now()"))
    finished_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    message: Mapped[str | None]

    __table_args__ = (
        sa.Index("builds_upper_bound_idx", "upper_bound", "build_id"),
        sa.Index("builds_running_idx", "build_id", postgresql_where=sa.text("status = 'running'")),
        sa.Index("builds_published_idx", "build_id", postgresql_where=sa.text("published_at is not null")),
    )


class BuildResult(Base):
    """What became of one node (model, test, …) in one build.

    A model is entered as ``made`` in the transaction of its rows, and by its result when the
    build ends. ``fingerprint`` is of the rules it was made by; the build macros make it.
    """

    __tablename__ = "build_results"

    build_id: Mapped[int] = mapped_column(
        sa.ForeignKey("ledger.builds.build_id"), primary_key=True, autoincrement=False
    )
    unique_id: Mapped[str] = mapped_column(primary_key=True)
    resource_type: Mapped[str | None]
    severity: Mapped[str | None]
    status: Mapped[str | None]
    seconds: Mapped[float | None]
    failures: Mapped[int | None]
    message: Mapped[str | None]
    finished_at: Mapped[datetime] = mapped_column(server_default=sa.text("now()"))
    fingerprint: Mapped[str | None]

    __table_args__ = (sa.Index("build_results_node_idx", "unique_id", sa.text("build_id desc")),)


class ModelWatermark(Base):
    """The lower bound of an incremental model: it holds what the loads up to ``seq`` say.

    ``fingerprint`` is of the rules its rows were computed by; the build macros make it.
    """

    __tablename__ = "model_watermarks"

    relation: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int]
    build_id: Mapped[int | None]
    fingerprint: Mapped[str]
    moved_at: Mapped[datetime] = mapped_column(server_default=sa.text("now()"))
