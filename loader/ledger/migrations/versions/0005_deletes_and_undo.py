"""What a load does (brings rows or deletes keys), and by which load it was undone."""

from alembic import op

revision = "0005"
down_revision = "0004"

_STATEMENTS = """
alter table ledger.loads
    add column op text not null default 'load'
        constraint loads_op_check check (op in ('load', 'delete')),
    add column undone_by_load_id bigint references ledger.loads (load_id);

drop index ledger.loads_idempotency_key_idx;
create unique index loads_idempotency_key_idx
    on ledger.loads (source, table_name, principal, idempotency_key)
    where idempotency_key is not null and status <> 'failed' and undone_by_load_id is null;

create index rejects_first_idx on ledger.rejects (first_load_id);
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("Restore the database from a backup: a downgrade would forget which loads were undone.")
