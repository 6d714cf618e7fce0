"""Loads keep what their body turned out to be: format, encoding, separator and so on."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("alter table ledger.loads add column format jsonb")


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
