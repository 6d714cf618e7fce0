"""Kept rows are found by their key: what is kept of a key may come between two rows that are equal."""

from alembic import op

revision = "0014"
down_revision = "0013"

_STATEMENTS = """
alter table ledger.rejects add column key_digest bytea;
create index rejects_key_idx on ledger.rejects (key_digest) where key_digest is not null;
drop index ledger.rejects_first_idx;
create index rejects_first_idx on ledger.rejects (first_load_id, first_row);
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
