"""Engines on databases without anything in them.

Making a database costs ten times what emptying one does, and there are many tests here: so
two databases serve them all, emptied before each test.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from loader.database import make_engine
from loader.settings import Settings
from tests.conftest import run_sql

_DROP = """
select format('drop schema %I cascade', nspname) from pg_namespace
where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
"""


def _database(server: Settings) -> Iterator[Settings]:
    name = f"migrate_{uuid.uuid4().hex[:12]}"
    run_sql(server, f"create database {name} template template1 strategy file_copy")
    yield replace(server, database=name)
    run_sql(server, f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def scratch(server: Settings) -> Iterator[Settings]:
    yield from _database(server)


@pytest.fixture(scope="session")
def second_scratch(server: Settings) -> Iterator[Settings]:
    yield from _database(server)


def _emptied(settings: Settings) -> Iterator[sa.Engine]:
    engine = make_engine(settings)
    with engine.begin() as connection:
        for statement in connection.scalars(sa.text(_DROP)).all():
            connection.execute(sa.text(statement))
    yield engine
    engine.dispose()


@pytest.fixture
def empty_engine(scratch: Settings) -> Iterator[sa.Engine]:
    yield from _emptied(scratch)


@pytest.fixture
def another_engine(second_scratch: Settings) -> Iterator[sa.Engine]:
    yield from _emptied(second_scratch)
