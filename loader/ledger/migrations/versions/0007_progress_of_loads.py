"""How far the loads that run now are: written beside them, since they are invisible until they end."""

from alembic import op

revision = "0007"
down_revision = "0006"

_STATEMENTS = """
create unlogged table ledger.progress (
    progress_id bigint generated always as identity primary key,
    load_id bigint,
    source text not null,
    table_name text not null,
    door text not null,
    principal text not null,
    idempotency_key text,
    rows bigint not null,
    bytes bigint,
    size bigint,
    started_at timestamptz not null,
    updated_at timestamptz not null,
    backend_pid bigint not null,
    transaction_id bigint not null
);
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    op.execute("drop table ledger.progress")
