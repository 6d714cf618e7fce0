"""What people and programs may do, and with which tables. Who could come in before may go on as before."""

from alembic import op

revision = "0013"
down_revision = "0012"

_STATEMENTS = """
alter table ledger.users
    add column role text not null default 'admin' check (role in ('viewer', 'clerk', 'steward', 'admin')),
    add column tables text[] not null default '{*}';
alter table ledger.users alter column role set default 'viewer';
alter table ledger.tokens
    add column actions text[] not null default '{read,load,mend,delete,undo}',
    add column tables text[] not null default '{*}';
alter table ledger.tokens alter column actions set default '{read,load}';
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
