"""By what rules a node was made, each node's last result, and each table's last load: found without reading all."""

from alembic import op

revision = "0011"
down_revision = "0010"

_STATEMENTS = """
alter table ledger.build_results add column fingerprint text;
create index build_results_node_idx on ledger.build_results (unique_id, build_id desc);
create index builds_upper_bound_idx on ledger.builds (upper_bound, build_id);
create index loads_seq_of_table_idx on ledger.loads (source, table_name, seq) where seq is not null;
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
