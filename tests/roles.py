"""What tests ask of departments' roles: a session of one, and what it may read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

from loader.departments import role_of
from loader.settings import Settings

RELATIONS = """
    select nspname || '.' || relname, nspname from pg_class
    inner join pg_namespace on pg_namespace.oid = relnamespace
    where relkind in ('r', 'v', 'm', 'p') and nspname !~ '^(pg_|information_schema)'
"""


@contextmanager
def session_of(settings: Settings, role: str) -> Iterator[Any]:
    """A cursor as if the role had logged in; each statement is a transaction of its own."""
    connection = psycopg2.connect(
        host=settings.host, port=settings.port, user=settings.user, password=settings.password, dbname=settings.database
    )
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(f'set session authorization "{role}"')
            yield cursor
    finally:
        connection.close()


def readable(settings: Settings, role: str) -> dict[str, set[str]]:
    """By schema, the relations of which the role may read a row: each is tried."""
    found: dict[str, set[str]] = {}
    with session_of(settings, role) as cursor:
        cursor.execute(RELATIONS)
        for relation, schema in cursor.fetchall():
            try:
                cursor.execute(f"select * from {relation} limit 0")
            except psycopg2.errors.InsufficientPrivilege:
                continue
            found.setdefault(schema, set()).add(relation)
    return found


def assert_reads_its_mart_and_nothing_else(settings: Settings, department: str, tables: set[str]) -> None:
    own = f"mart_{department}"
    with session_of(settings, settings.user) as cursor:
        cursor.execute(RELATIONS)
        schemas = {schema for _, schema in cursor.fetchall()}
    assert {own, f"{own}__build", "warehouse", "ledger"} < schemas, "there is something to be kept from"
    assert readable(settings, role_of(department)) == {own: {f"{own}.{table}" for table in tables}}
