"""Loads are found by their sender's key whatever the table, and by having been in vain: without reading all."""

from alembic import op

revision = "0010"
down_revision = "0009"

_STATEMENTS = """
create index loads_senders_keys_idx on ledger.loads (principal, idempotency_key)
    where idempotency_key is not null;
create index loads_in_vain_idx on ledger.loads (status, load_id)
    where status in ('refused', 'failed');
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
