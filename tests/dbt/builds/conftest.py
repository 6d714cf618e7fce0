"""The tiny shop: one project and one database a file of tests, both as new for each test.

One of each, since dbt parses anew whenever its profile changes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from loader.settings import Settings
from tests.conftest import run_sql
from tests.dbt.builds.shop import Shop


@pytest.fixture(scope="module")
def shop_of_module(server: Settings, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    name = f"builds_{uuid.uuid4().hex[:12]}"
    run_sql(server, f"create database {name} template {template} strategy file_copy")
    yield Shop(tmp_path_factory.mktemp("shop"), replace(server, database=name))
    run_sql(server, f"drop database {name} with (force)")


@pytest.fixture
def shop(shop_of_module: Shop) -> Shop:
    shop_of_module.reset()
    return shop_of_module
