"""Who dismissed a kept row, when and why."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = """
alter table ledger.rejects
    add column dismissed_at timestamptz,
    add column dismissed_by text,
    add column dismissed_why text;
update ledger.rejects
set dismissed_at = now(), dismissed_by = 'unknown', dismissed_why = 'dismissed before reasons were kept'
where status = 'dismissed';
alter table ledger.rejects
    add constraint rejects_dismissed_check
    check ((status = 'dismissed') = (num_nulls(dismissed_at, dismissed_by, dismissed_why) = 0));
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
