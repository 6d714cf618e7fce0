"""The build that runs and the one that readers see: found without reading all, where every load has a build."""

from alembic import op

revision = "0012"
down_revision = "0011"

_STATEMENTS = """
create index builds_running_idx on ledger.builds (build_id) where status = 'running';
create index builds_published_idx on ledger.builds (build_id) where published_at is not null;
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
