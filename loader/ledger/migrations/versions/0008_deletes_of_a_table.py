"""Whether anything was ever deleted from a table is asked for every load: without reading all of its loads."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = """
create index loads_deletes_idx on ledger.loads (source, table_name)
    where op = 'delete';
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
