"""The tiny shop: one project and one database a file of tests, both as new for each test.

One of each, since dbt parses anew whenever its profile changes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loader.settings import Settings
from tests.conftest import new_database_of
from tests.dbt.builds.shop import Shop


@pytest.fixture(scope="module")
def shop_of_module(server: Settings, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with new_database_of(server, "builds", template) as settings:
        yield Shop(tmp_path_factory.mktemp("shop"), settings)


@pytest.fixture
def shop(shop_of_module: Shop) -> Shop:
    shop_of_module.reset()
    return shop_of_module
