"""Kept rows are mended where they stand, and each change is on record."""

from alembic import op

revision = "0015"
down_revision = "0014"

_STATEMENTS = """
alter table ledger.rejects add column mended integer not null default 0;
create table ledger.mendings (
    mending_id bigint generated always as identity primary key,
    reject_id bigint not null references ledger.rejects,
    mended_at timestamptz not null default clock_timestamp(),
    mended_by text not null,
    changes jsonb not null
);
create index mendings_reject_idx on ledger.mendings (reject_id);
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
