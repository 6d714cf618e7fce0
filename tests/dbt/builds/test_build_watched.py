"""The watch with dbt as it is: what it decides is built and published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loader.build import NotPublished, build
from loader.database import make_engine
from loader.dbt_kept import KeptDbt
from loader.steps import Steps
from loader.watch import Watch
from tests.dbt.builds.shop import Shop, line, order

STATUSES = "select status, count(*) from mart_operations.order_list group by 1 order by 1"


@pytest.fixture
def watch(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setattr("loader.docs.make_docs", lambda *_: None)
    here = replace(shop.settings, project_dir=shop.folder, state_dir=tmp_path)
    engine = make_engine(here)
    watch = Watch(here, engine, Steps(Console(file=StringIO(), width=200)), lambda _: None)
    yield watch
    watch.dbt.close()
    engine.dispose()


def said_by(watch: Watch) -> str:
    out = watch._steps.console.file
    assert isinstance(out, StringIO)
    return out.getvalue()


def builds(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.sql("select upper_bound, status, command like '%--select%' from ledger.builds order by build_id")


def test_a_load_between_the_question_and_the_build_is_of_the_next_one(
    shop: Shop, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.load(orders=[order(1)])
    shop.load(order_lines=[line(1, 7, 5)])
    watch.step()
    assert builds(shop) == [(2, "published", False)], said_by(watch)
    run = KeptDbt.run

    def ask_and_load(self: KeptDbt, *arguments: str, **more: Any) -> None:
        run(self, *arguments, **more)
        if "say_what_is_due" in arguments:
            monkeypatch.setattr(KeptDbt, "run", run)
            shop.load(orders=[order(2)])

    monkeypatch.setattr(KeptDbt, "run", ask_and_load)
    shop.load(orders=[order(1, "completed", 2)])
    watch.step()
    assert builds(shop)[1:] == [(3, "published", True)], said_by(watch)
    assert shop.sql(STATUSES) == [("completed", 1)]
    watch.step()
    assert builds(shop)[2:] == [(4, "published", True)], said_by(watch)
    assert shop.sql(STATUSES) == [("completed", 1), ("placed", 1)]


def unit_tests(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.sql("select build_id, status from ledger.build_results where resource_type = 'unit_test' order by 1")


def test_a_part_beside_a_test_that_failed_says_that_readers_keep_what_they_had(shop: Shop, tmp_path: Path) -> None:
    here = replace(shop.settings, project_dir=shop.folder, state_dir=tmp_path)
    engine = make_engine(here)

    def run(*arguments: str, line: Callable[[str], None]) -> None:
        outcome = shop.dbt(*arguments)
        for text in outcome.said.splitlines():
            line(text)
        assert outcome.success, outcome.said

    shop.load(orders=[order(1)])
    shop.load(order_lines=[line(1, 7, 5)])
    assert shop.dbt("build").success
    shop.load(orders=[order(2, "lost")])
    assert not shop.dbt("build").success
    with pytest.raises(NotPublished, match=r"Build 3: not published: accepted_values_order_list"):
        build(here, engine, "--select", "sales_daily", run=run)
    engine.dispose()


UNIT_TEST = """
unit_tests:
  - name: sums
    model: sales_daily
    given:
      - input: ref('fct_orders')
        rows: [{order_id: 1, order_date: 2017-06-01, sales_amount: 5}]
    expect: {rows: [{orders: 2}]}
"""


def test_a_unit_test_that_failed_is_asked_again_and_not_passed_over(shop: Shop, watch: Watch) -> None:
    shop.load(orders=[order(1)])
    shop.load(order_lines=[line(1, 7, 5)])
    watch.step()
    shop.write("models/unit.yml", UNIT_TEST)
    shop.load(orders=[order(2)])
    watch.step()
    shop.load(orders=[order(3)])
    watch.step()
    assert builds(shop)[1:] == [(3, "failed", False), (4, "failed", True)], said_by(watch)
    assert unit_tests(shop) == [(2, "fail"), (3, "fail")], "of the part, too"
    assert shop.sql(STATUSES) == [("placed", 1)]

    shop.edit("models/unit.yml", "orders: 2", "orders: 1")
    watch._project_at = 0.0
    watch.step()
    assert builds(shop)[3:] == [(4, "published", False)], said_by(watch)
    assert shop.sql(STATUSES) == [("placed", 3)]
    shop.load(orders=[order(4)])
    watch.step()
    assert builds(shop)[4:] == [(5, "published", True)], said_by(watch)
    assert unit_tests(shop)[2:] == [(4, "pass")], "what has passed is left out again"
