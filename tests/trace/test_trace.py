"""A row's way back: through models that say what they are made of, to versions, loads and people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from loader.remedy import Remedy
from loader.trace.follow import trace
from loader.trace.models import Models
from tests.intake.conftest import empty
from tests.intake.lab import CONTRACT, Lab

#: name: (schema, columns from the lab's stalls and shops, what it says of itself)
MODELS: dict[str, tuple[str, str, Any]] = {
    "stall_days": (
        "mart_x__build",
        "select shop, count(*) as stalls from warehouse.fct_stalls group by shop",
        {"key": ["shop"], "from": [{"ref": "fct_stalls", "by": ["shop"]}, {"ref": "fct_shops", "by": {"shop": "nr"}}]},
    ),
    "fct_stalls": (
        "warehouse",
        "select id as stall, shop, label from staging_lab.stalls",
        {"key": ["stall"], "from": [
            {"source": "lab.stalls", "by": {"stall": "id"}},
            {
                "source": "lab.shops", "by": {"shop": "id"},
                "through": ["lab.regions"], "where": "parent.region = regions.id",
            },
        ]},
    ),
    "fct_shops": (
        "warehouse",
        "select id as nr, region from staging_lab.shops",
        {"key": ["nr"], "from": [{"source": "lab.shops", "by": {"nr": "id"}}]},
    ),
    "dim_days": ("warehouse", "select 1 as day", {"key": ["day"], "nothing": "computed"}),
}  # fmt: skip


@pytest.fixture
def lab(lab_engine: sa.Engine) -> Lab:
    empty(lab_engine)
    with lab_engine.begin() as connection:
        connection.exec_driver_sql("drop schema if exists warehouse, mart_x cascade")
        connection.exec_driver_sql("truncate ledger.builds cascade")
    return Lab(lab_engine)


def manifest(folder: Path, **other: Any) -> Path:
    nodes = {
        f"model.x.{name}": {
            "resource_type": "model", "name": name, "alias": name, "schema": schema,
            "config": {"meta": {"trace": other.get(name, said)}},
        }
        for name, (schema, _, said) in MODELS.items()
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    return folder


def build(lab: Lab, seq: int) -> None:
    with lab.engine.begin() as connection:
        connection.exec_driver_sql("create schema warehouse; create schema mart_x")
        for name in reversed(MODELS):
            schema, query, _ = MODELS[name]
            connection.exec_driver_sql(f"create table {schema.removesuffix('__build')}.{name} as {query}")
        connection.exec_driver_sql(
            f"insert into ledger.builds (upper_bound, status, published_at) values ({seq}, 'published', now())"
        )


@pytest.fixture
def ask(lab: Lab, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def asked(table: str, shown: int = 5, **values: str) -> dict[str, Any]:
        found = trace(lab.engine, CONTRACT, manifest(tmp_path), table, values, shown)
        return {one.table: one for one in found}

    return asked


def test_a_row_is_followed_to_its_versions_loads_and_senders(lab: Lab, ask: Callable[..., dict[str, Any]]) -> None:
    waited = lab.rows("stalls", (1, 7, "a", "2024-01-01T00:00:00Z"), (2, 8, "b", "2024-01-01T00:00:00Z"))
    region = lab.rows("regions", (1,))
    shops = lab.rows("shops", (7, 1), (8, 1))
    second = lab.rows("stalls", (3, 7, "c", "2024-01-01T00:00:00Z"), (1, 7, "a2", "2024-01-02T00:00:00Z"))
    build(lab, 99)
    found = ask("mart_x.stall_days", shop="7")
    assert list(found) == [
        "mart_x.stall_days", "warehouse.fct_stalls", "warehouse.fct_shops", "staging_lab.stalls", "staging_lab.shops",
    ]  # fmt: skip
    assert [one.rows for one in found.values()] == [1, 2, 1, 2, 1]
    assert found["staging_lab.shops"].into == ["warehouse.fct_stalls", "warehouse.fct_shops"]
    assert found["warehouse.fct_stalls"].columns == ["stall", "shop", "label"]
    assert found["warehouse.fct_stalls"].first == [[1, 7, "a2"], [3, 7, "c"]]

    stalls = found["staging_lab.stalls"]
    assert stalls.states == {"current": 2, "replaced": 1}
    by_load = {load.load_id: load for load in stalls.loads}
    assert by_load[second.load_id].rows == 2
    release = next(load for load in stalls.loads if load.door == "release")
    assert (release.rows, release.cause_load_id, release.first_load_id) == (1, shops.load_id, waited.load_id)
    assert waited.load_id not in by_load, "it waited: another load brought it in"
    assert [load.load_id for load in found["staging_lab.shops"].loads] == [shops.load_id]
    assert region.load_id not in {load.load_id for one in found.values() for load in one.loads}

    capped = ask("mart_x.stall_days", 1, shop="7")["staging_lab.stalls"]
    assert (len(capped.first), len(capped.loads), capped.load_count, capped.rows) == (1, 1, 2, 2)


def test_what_is_not_in_the_marts_yet_is_said(lab: Lab, ask: Callable[..., dict[str, Any]]) -> None:
    lab.rows("regions", (1,))
    lab.rows("shops", (7, 1))
    lab.rows("stalls", (1, 7, "a", "2024-01-01T00:00:00Z"))
    build(lab, 3)
    lab.rows("stalls", (1, 7, "b", "2024-01-02T00:00:00Z"))
    stalls = ask("warehouse.fct_stalls", stall="1")["staging_lab.stalls"]
    assert [load.is_later for load in stalls.loads] == [False, True]


def test_what_is_made_of_no_row_says_why(lab: Lab, ask: Callable[..., dict[str, Any]]) -> None:
    build(lab, 0)
    assert ask("warehouse.dim_days", day="1")["warehouse.dim_days"].nothing == "computed"


@pytest.mark.parametrize(
    ("table", "values", "words"),
    [
        ("warehouse.fct_none", {"a": "1"}, "is no model that says what it is made of.*warehouse.fct_stalls"),
        ("mart_x.stall_days", {}, "Which row of mart_x.stall_days.*Its key is shop"),
        ("mart_x.stall_days", {"shp": "1"}, "has no column shp"),
        ("mart_x.stall_days", {"shop": "1"}, "has no row with shop=1"),
        ("mart_x.stall_days", {"shop": "x'; drop"}, "invalid input syntax"),
        ("mart_x.stall_days", {"shop": ""}, "has no row with shop="),
    ],
)  # fmt: skip
def test_what_can_not_be_traced_is_said(
    lab: Lab, ask: Callable[..., dict[str, Any]], table: str, values: dict[str, str], words: str
) -> None:
    build(lab, 0)
    with pytest.raises(Remedy, match=words):
        ask(table, **values)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"key": ["shop"]}, "each parent has ref or source"),
        ({"from": [{"ref": "fct_stalls", "by": ["shop"]}]}, "no key, and the model has no primary key"),
        ({"from": []}, "no key, and"),
        ({"key": ["shop"], "from": [{"ref": "fct_stalls"}]}, "each parent has ref or source"),
        ({"key": ["shop"], "from": [{"ref": "fct_gone", "by": ["shop"]}]}, "comes from fct_gone, which does not say"),
        ({"key": ["shop"], "from": [{"source": "lab.gone", "by": ["shop"]}]}, "lab.gone, which is no table"),
        ({"key": ["shop"], "from": [{"ref": "fct_stalls", "through": ["gone"], "where": "true"}]}, "neither a model"),
        ({"key": ["shop"], "from": [{"ref": "fct_stalls", "where": "no sql"}]}, "can't be asked: syntax error"),
        ({"key": ["shop"], "from": [{"ref": "stall_days", "by": ["shop"]}]}, "goes in a ring"),
    ],
)  # fmt: skip
def test_a_model_that_says_it_wrong_is_named(lab: Lab, tmp_path: Path, said: Any, words: str) -> None:
    lab.rows("regions", (1,))
    lab.rows("shops", (7, 1))
    lab.rows("stalls", (1, 7, "a", "2024-01-01T00:00:00Z"))
    build(lab, 3)
    with pytest.raises(Remedy, match=words):
        trace(lab.engine, CONTRACT, manifest(tmp_path, stall_days=said), "mart_x.stall_days", {"shop": "7"})


def test_without_a_build_there_is_nothing_to_go_by(tmp_path: Path) -> None:
    with pytest.raises(Remedy, match="loader build"):
        Models.of(tmp_path)
