"""The shop at a hundredth of its size, made once a worker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.shop import Load, make
from tests.examples.judge import rows_of


class MadeShop:
    """A folder of the shop's files, and what loads.json and faults.json say of them."""

    def __init__(self, folder: Path, loads: list[Load]):
        self.folder = folder
        self.loads = loads
        self.faults: dict[str, Any] = json.loads((folder / "faults.json").read_text())

    def rows(self, name: str) -> list[dict]:
        return [row for row in rows_of(self.folder / name) if row is not None]

    def column(self, name: str, column: str) -> list:
        return [row[column] for row in self.rows(name)]


@pytest.fixture(scope="session")
def make_shop(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., MadeShop]:
    def make_one(**parameters: Any) -> MadeShop:
        folder = tmp_path_factory.mktemp("shop")
        return MadeShop(folder, make(folder, **parameters))

    return make_one


@pytest.fixture(scope="session")
def small(make_shop: Callable[..., MadeShop]) -> MadeShop:
    return make_shop(scale=0.01)
