"""Receipts ask for the loads that a load caused, the first page for those of the last day."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = """
create index loads_cause_idx on ledger.loads (cause_load_id)
    where cause_load_id is not null;
create index loads_finished_idx on ledger.loads (finished_at);
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
