"""A row that waits is found by the parent that it lacks: a parent that comes does not read all that waits.

Rows that wait already have no name there; they are asked about whatever comes, and get one.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

_STATEMENTS = """
alter table ledger.rejects add column awaits bytea;
drop index ledger.rejects_waiting_idx;
create index rejects_waiting_idx on ledger.rejects (source, table_name, awaits)
    where status = 'waiting';
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
