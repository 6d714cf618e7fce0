"""An Idempotency-Key belongs to who sent it; logins that failed are counted."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = """
drop index ledger.loads_idempotency_key_idx;
create unique index loads_idempotency_key_idx
    on ledger.loads (source, table_name, principal, idempotency_key)
    where idempotency_key is not null and status <> 'failed';

create table ledger.failed_logins (
    name_hash text not null,
    address text not null,
    failures bigint not null,
    failed_at timestamptz not null,
    primary key (name_hash, address)
);
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
