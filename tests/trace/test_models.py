"""Every model of the warehouse and the marts says what its rows are made of, by columns that there are."""

from __future__ import annotations

from typing import Any

from loader.contract.read import read_contract
from loader.settings import Settings
from loader.trace.models import Models
from tests.dbt.conftest import manifest, parsed

__all__ = ["manifest", "parsed"]


def test_every_model_that_people_read_says_what_it_is_made_of(manifest: dict[str, Any], server: Settings) -> None:
    contract = read_contract(server.project_dir, server.state_dir)
    models = Models(manifest["nodes"])
    expected = {
        node["name"]: set(node["columns"]) for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] in ("warehouse", "marts")
    }  # fmt: skip
    assert set(models.by_name) == set(expected)
    for model in models.by_name.values():
        assert set(model.key) <= expected[model.name], model.name
        for origin in model.origins:
            if origin.loads:
                assert origin.loads in expected[model.name], model.name
                continue
            if origin.ref:
                theirs = expected[origin.ref]
            else:
                source, _, table = str(origin.source).partition(".")
                theirs = {column.name for column in contract.table(source, table).columns}
            assert set(origin.by) <= expected[model.name], (model.name, origin.name)
            assert set(origin.by.values()) <= theirs, (model.name, origin.name)
