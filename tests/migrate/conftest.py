"""Engines on databases without anything in them.

Making a database costs ten times what emptying one does, and there are many tests here: so
two databases serve them all, emptied before each test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from loader.database import make_engine
from loader.settings import Settings
from tests.conftest import new_database_of

_DROP = """
select format('drop schema %I cascade', nspname) from pg_namespace
where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
"""


@pytest.fixture(scope="session")
def scratch(server: Settings) -> Iterator[Settings]:
    with new_database_of(server, "migrate") as settings:
        yield settings


@pytest.fixture(scope="session")
def second_scratch(server: Settings) -> Iterator[Settings]:
    with new_database_of(server, "migrate") as settings:
        yield settings


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
