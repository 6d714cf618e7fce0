"""Whatever comes, in whatever order: builds after each leave what one full build at the end would.

Rows come late, twice, changed, deleted and without their parents, which come later or never; loads
are undone. Each table of the warehouse and of the marts is compared row by row.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from dbt.cli.main import dbtRunner
from hypothesis import HealthCheck, Phase, given, settings

from loader.contract.model import Contract
from loader.contract.read import read_contract
from loader.database import make_engine
from loader.intake.load import load_stream
from loader.intake.settle import Options
from loader.intake.undo import UndoRefused, undo
from loader.ledger.loads import Origin
from loader.settings import Settings
from tests.conftest import new_database_of
from tests.property.csv_text import csv_of
from tests.property.histories import Histories, History, Load, Undo
from tests.warehouse import checksums

EMPTY = """
do $$
declare relation text;
begin
    for relation in
        select format('%%I.%%I', schemaname, tablename) from pg_tables where starts_with(schemaname, 'staging_')
    loop
        execute 'truncate ' || relation || ' cascade';
    end loop;
end
$$;
truncate ledger.loads, ledger.rejects, ledger.builds, ledger.build_results, ledger.model_watermarks
restart identity cascade
"""


class House:
    """The project as it is, on a database of its own, emptied for each history."""

    def __init__(self, given: Settings, contract: Contract, scratch: Path) -> None:
        self.engine = make_engine(given)
        self.contract = contract
        self._folder, self._scratch = given.project_dir, scratch
        self.happened: Counter[str] = Counter()

    def empty(self) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(EMPTY)

    def dbt(self, *words: str) -> None:
        folder = str(self._folder)
        paths = ["--project-dir", folder, "--profiles-dir", folder, "--target-path", str(self._scratch),
                 "--log-level-file", "none"]  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = dbtRunner().invoke(["--quiet", "--no-use-colors", words[0], *paths, *words[1:]])
        failed = [(r.node.name, r.message) for r in getattr(result.result, "results", []) or [] if r.status == "error"]
        assert result.success, (failed, result.exception)

    def act(self, act: Load | Undo) -> None:
        if isinstance(act, Undo):
            self._undo(act)
            return
        table = self.contract.find(act.table)
        body = csv_of(list(act.rows), list(act.rows[0]))
        options = Options(op="delete", cascade="wait") if act.deletes else Options()
        receipt = load_stream(
            self.engine, self.contract, table, body, "csv", Origin("api", "tests"), options, lock_seconds=5
        )
        what = "deleted" if act.deletes else "accepted"
        self.happened.update({what: receipt.accepted, "waiting": receipt.waiting, "rejected": receipt.rejected,
                              "released": sum(release.accepted for release in receipt.releases)})  # fmt: skip

    def _undo(self, act: Undo) -> None:
        with self.engine.connect() as connection:
            loads = connection.scalars(sa.text("select load_id from ledger.loads order by load_id desc")).all()
        if act.ago > len(loads):
            return
        try:
            undo(self.engine, self.contract, loads[act.ago - 1], "tests")
            self.happened["undone"] += 1
        except UndoRefused:
            self.happened["undo refused"] += 1


@pytest.fixture(scope="module")
def house(server: Settings, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with new_database_of(server, "histories", template) as given, pytest.MonkeyPatch.context() as patch:
        for name, value in given.environment().items():
            patch.setenv(name, value)
        made = House(given, read_contract(given.project_dir, given.state_dir), tmp_path_factory.mktemp("target"))
        made.dbt("seed")
        yield made
        made.engine.dispose()


def hold(house: House, history: History) -> None:
    """Build after each part of the history, then all anew, and compare."""
    house.empty()
    for acts in history:
        for act in acts:
            house.act(act)
        house.dbt("run")
    incremental = checksums(house.engine)
    house.dbt("run", "--full-refresh")
    full = checksums(house.engine)
    assert {name: (incremental.get(name), full.get(name)) for name in incremental.keys() | full.keys()
            if incremental.get(name) != full.get(name)} == {}  # fmt: skip
    house.happened["histories"] += 1


def search(house: House, examples: int, builds: int, deep: bool) -> Counter[str]:
    house.happened.clear()

    @settings(
        max_examples=examples, derandomize=not deep, deadline=None, database=None, print_blob=deep,
        phases=[Phase.generate, Phase.shrink] if deep else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(Histories().histories(builds))
    def every(history: History) -> None:
        hold(house, history)

    every()
    print(dict(house.happened))
    return house.happened


def test_builds_after_each_load_leave_what_one_full_build_does(house: House) -> None:
    happened = search(house, examples=3, builds=3, deep=False)
    for what in ("accepted", "waiting", "released", "deleted", "undone"):
        assert happened[what], f"nothing was {what}, so that nothing was shown of it"


def versions_of_facts(house: House) -> dict[str, tuple[bool, ...]]:
    """Of each fact about a first customer or product: whether it points to a later version than the first."""
    query = """
        select fact, array_agg(later order by id) from (
            select 'order' as fact, order_id::text as id, customer_key <> durable as later
            from warehouse.fct_orders join names using (customer_id)
            union all
            select 'line', order_id::text, product_key <> product_durable
            from warehouse.fct_order_lines join products using (product_id)
            union all
            select 'visit', event_id::text, product_key <> product_durable
            from warehouse.fct_activity join products using (product_id)
            union all
            select 'mail', event_id::text, customer_key <> durable
            from warehouse.fct_email_events join names using (customer_id)
            union all
            select 'target', campaign_id::text, customer_key <> durable
            from warehouse.fct_campaign_targets join names using (customer_id)
        ) as facts group by fact
    """
    names = """
        with names as (
            select customer_id, customer_durable_key as durable from warehouse.dim_customers where is_current
        ),
        products as (
            select product_id, product_durable_key as product_durable from warehouse.dim_products where is_current
        )
    """
    with house.engine.connect() as connection:
        return {fact: tuple(later) for fact, later in connection.execute(sa.text(names + query))}


def test_a_version_moves_the_facts_of_its_time_and_an_undo_moves_them_back(house: House) -> None:
    """Of the first customer and product; their second ones stay. An address moves the second customer."""
    world = Histories().world
    house.empty()
    for table, rows in world.items():
        house.act(Load(table, tuple(rows)))
    house.dbt("run")
    before = versions_of_facts(house)
    assert before == dict.fromkeys(("order", "line", "visit", "mail", "target"), (False, False))

    customer, product, address = (world[t][0] for t in ("crm.customers", "erp.products", "crm.addresses"))
    moved = world["crm.addresses"][1] | {"city": "Dayton", "updated_at": "2016-12-28T12:00:00Z"}
    house.act(Load("erp.products", (product | {"list_price": "1.99", "updated_at": "2017-01-01T12:27:00Z"},)))
    house.act(Load("crm.customers", (customer | {"status": "closed", "updated_at": "2016-12-31T20:00:00Z"},)))
    house.dbt("run")
    after = before | {"order": (True, False), "line": (True, False)}
    assert versions_of_facts(house) == after
    house.dbt("test", "--select", "facts_point_to_their_time", "versions_cover_all_time")

    house.act(Undo(1))
    house.act(Load("crm.addresses", (moved, address)))
    house.dbt("run")
    # the address of before is older than the one that stood: from then on they lived where they do
    assert versions_of_facts(house) == after | {"order": (False, True)}
    house.dbt("test", "--select", "facts_point_to_their_time", "versions_cover_all_time")


@pytest.mark.deep
def test_builds_after_each_of_many_loads_leave_what_one_full_build_does(house: House) -> None:
    search(house, examples=int(os.environ.get("HISTORIES", "100")), builds=4, deep=True)
