"""Both projects made ready, once a run of pytest, and a copy of each database for each worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from loader.database import make_engine
from loader.settings import Settings
from tests.property import worlds
from tests.property.bench import make_forced
from tests.property.projects import Project, copy_of, prepare
from tests.property.rows import RowMaker

Ready = tuple[Project, sa.Engine, RowMaker]


@pytest.fixture(scope="session")
def ready(server: Settings) -> Iterator[Callable[[str], Ready]]:
    """`ready(name)`: the project, an engine on a copy of its database, and a maker of its rows."""
    found: dict[str, Ready] = {}
    with ExitStack() as stack:

        def get(name: str) -> Ready:
            if name not in found:
                world, warned = worlds.shop() if name == "shop" else (worlds.LABORATORY, worlds.LABORATORY_WARNED)
                project = prepare(name, server, [*world, *warned])
                engine = make_engine(stack.enter_context(copy_of(project, server)))
                stack.callback(engine.dispose)
                make_forced(engine, project.contract)
                found[name] = project, engine, RowMaker(project, dict(world))
            return found[name]

        yield get
