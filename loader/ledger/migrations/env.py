"""Alembic's environment: revisions run on the connection that :mod:`loader.ledger.upgrade`
hands over, inside its transaction."""

from alembic import context

from loader.ledger.models import SCHEMA

context.configure(connection=context.config.attributes["connection"], version_table_schema=SCHEMA)
with context.begin_transaction():
    context.run_migrations()
