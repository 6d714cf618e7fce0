"""What the columns of people's files are is remembered."""

from alembic import op

revision = "0016"
down_revision = "0015"

_STATEMENTS = """
create table ledger.file_columns (
    source text not null,
    table_name text not null,
    name_digest text not null,
    column_name text,
    said_at timestamptz not null default clock_timestamp(),
    said_by text not null,
    primary key (source, table_name, name_digest)
);
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
