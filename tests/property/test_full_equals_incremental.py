"""Whatever comes, in whatever order: builds after each leave what one full build at the end would.

Rows come late, twice, changed, deleted and without their parents, which come later or never; loads
are undone. Each table of the warehouse and of the marts is compared row by row.
"""

from __future__ import annotations

import json
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
from tests.warehouse import checksums, facts_that_follow

TESTS_OF_VERSIONS = ("facts_point_to_their_time", "versions_cover_all_time", "customer_versions_are_as_sent",
                     "product_versions_are_as_sent")  # fmt: skip
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

    def hold(self) -> None:
        """Build all anew, and compare with what stands."""
        incremental = checksums(self.engine)
        self.dbt("run", "--full-refresh")
        full = checksums(self.engine)
        assert {name: (incremental.get(name), full.get(name)) for name in incremental.keys() | full.keys()
                if incremental.get(name) != full.get(name)} == {}  # fmt: skip

    def facts_that_follow(self) -> set[tuple[str, str]]:
        return facts_that_follow(json.loads((self._scratch / "manifest.json").read_text("utf-8")))


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
    house.hold()
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


def versions_of_facts(house: House) -> dict[tuple[str, str], tuple[bool, ...]]:
    """Of each fact, by dimension: whether each row, in order of the number, points to another than the first."""
    with house.engine.connect() as connection:
        found = {}
        for fact, dimension in sorted(house.facts_that_follow()):
            one = dimension.removeprefix("dim_").removesuffix("s")
            query = (
                f"select array_agg({one}_key <> durable order by {one}_id) from warehouse.{fact} join ("
                f"select {one}_id, {one}_durable_key as durable from warehouse.{dimension} where is_current"
                f") as members using ({one}_id)"
            )
            found[fact, dimension] = tuple(connection.scalar(sa.text(query)))
    return found


def test_a_version_moves_the_facts_of_its_time_and_an_undo_moves_them_back(house: House) -> None:
    """Of the first customer and product; their second ones stay. An address moves the second customer."""
    world = Histories().world
    house.empty()
    for table, rows in world.items():
        house.act(Load(table, tuple(rows)))
    house.dbt("run")
    before = versions_of_facts(house)
    assert len(before) > 10
    assert set(before.values()) == {(False, False)}
    # mails and targets are of the days before
    of_customers = {(fact, of) for fact, of in before if of == "dim_customers"
                    and fact not in ("fct_email_events", "fct_campaign_targets")}  # fmt: skip
    of_products = {(fact, of) for fact, of in before if of == "dim_products" and fact != "fct_activity"}

    customer, product, address = (world[t][0] for t in ("crm.customers", "erp.products", "crm.addresses"))
    moved = world["crm.addresses"][1] | {"city": "Dayton", "updated_at": "2016-12-28T12:00:00Z"}
    house.act(Load("erp.products", (product | {"list_price": "1.99", "updated_at": "2017-01-01T12:27:00Z"},)))
    house.act(Load("crm.customers", (customer | {"status": "closed", "updated_at": "2016-12-31T20:00:00Z"},)))
    house.dbt("run")
    after = before | dict.fromkeys(of_products, (True, False))
    assert versions_of_facts(house) == after | dict.fromkeys(of_customers, (True, False))
    house.dbt("test", "--select", *TESTS_OF_VERSIONS)

    house.act(Undo(1))
    house.act(Load("crm.addresses", (moved, address)))
    house.dbt("run")
    # the address of before is older than the one that stood: from then on they lived where they do
    assert versions_of_facts(house) == after | dict.fromkeys(of_customers, (False, True))
    house.dbt("test", "--select", *TESTS_OF_VERSIONS)


def month(number: int, day: int = 1) -> str:
    return f"2017-{number:02}-{day:02}T00:00:00Z"


def what_orders_see(house: House) -> dict[str, str]:
    """Of each customer or product, month by month, what the version says that their order points to."""
    query = """
        select 'customer ' || customer_id, string_agg(customer_status || ' ' || home_city, ', ' order by ordered_at)
        from warehouse.fct_orders join warehouse.dim_customers using (customer_key, customer_id)
        where customer_id < 7 group by customer_id
        union all
        select 'product ' || product_id, string_agg(round(unit_cost, 1)::text, ', ' order by ordered_at)
        from warehouse.fct_order_lines join warehouse.dim_products using (product_key, product_id)
        where product_id < 3 group by product_id
    """
    with house.engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(sa.text(query))}


def test_what_was_deleted_moved_or_came_back_is_seen_in_the_months_in_which_it_was(house: House) -> None:
    """An order a month from January to April, of customers to whom different things happen. 7 and 8 buy the goods."""
    world = Histories().world
    customer, address, product, order, line = (
        world[table][0] for table in ("crm.customers", "crm.addresses", "erp.products", "erp.orders", "erp.order_lines")
    )

    def person(number: int, at: int = 1, **new: str) -> Load:
        return Load("crm.customers", (customer | {"customer_id": str(number), "updated_at": month(at)} | new,))

    def home(number: int, of: int, city: str, at: int) -> Load:
        new = {"address_id": str(number), "customer_id": str(of), "city": city, "updated_at": month(at)}
        return Load("crm.addresses", (address | new,))

    def goods(number: int, cost: str, at: int) -> Load:
        new = {"product_id": str(number), "unit_cost": cost, "updated_at": month(at)}
        return Load("erp.products", (product | new,))

    def gone(table: str, number: int, at: str | None = None) -> Load:
        key = {"crm.customers": "customer_id", "crm.addresses": "address_id", "erp.products": "product_id"}[table]
        return Load(table, ({key: str(number)} | ({"updated_at": at} if at else {}),), deletes=True)

    orders = [
        order | {"order_id": f"{who}0{number}", "customer_id": str(who), "ordered_at": month(number, 15),
                 "updated_at": month(number, 15)}
        for who in range(1, 9) for number in range(1, 5)
    ]  # fmt: skip
    lines = [
        line | {"order_id": f"{6 + of}0{number}", "product_id": str(of), "updated_at": month(number, 15)}
        for of in (1, 2) for number in range(1, 5)
    ]  # fmt: skip
    first = [
        *(Load(table, tuple(rows)) for table, rows in world.items()),
        *(person(number) for number in range(1, 9)), person(4, at=2, status="closed"),
        home(11, 1, "Akron", at=1), home(11, 1, "Cleveland", at=3),  # 2 has it in between, of which nobody knows yet
        home(13, 3, "Akron", at=1), home(13, 3, "Dayton", at=2), home(14, 4, "Akron", at=1),
        home(15, 5, "Akron", at=1), home(16, 6, "Akron", at=1), home(16, 6, "Dayton", at=2),
        goods(1, "1.0", at=1), goods(1, "2.0", at=2), goods(2, "1.0", at=1), goods(2, "2.0", at=2),
        Load("erp.orders", tuple(orders)), Load("erp.order_lines", tuple(lines)),
    ]  # fmt: skip
    then = [
        home(11, 2, "Dayton", at=2),
        gone("crm.addresses", 13, at=month(1)), gone("erp.products", 2, at=month(1)),  # no longer current then
        gone("erp.products", 1), gone("crm.addresses", 14), gone("crm.customers", 4), gone("crm.addresses", 15),
        gone("crm.addresses", 16, at=month(3)),
    ]  # fmt: skip
    back = [
        goods(1, "2.1", at=4), person(4, at=4), home(15, 5, "Dayton", at=4), gone("crm.addresses", 11, at=month(2, 10))
    ]  # fmt: skip

    house.empty()
    seen = []
    for acts in (first, then, back):
        for act in acts:
            house.act(act)
        house.dbt("run")
        seen.append(what_orders_see(house))
    cleveland = "active Akron, active Unknown, active Cleveland, active Cleveland"
    moved = "active Akron, active Dayton, active Dayton, active Dayton"
    assert seen[0] == {
        "customer 1": "active Akron, active Akron, active Cleveland, active Cleveland",
        "customer 2": "active Unknown, active Unknown, active Unknown, active Unknown",
        "customer 3": moved,
        "customer 4": "active Akron, closed Akron, closed Akron, closed Akron",
        "customer 5": "active Akron, active Akron, active Akron, active Akron",
        "customer 6": moved,
        "product 1": "1.0, 2.0, 2.0, 2.0",
        "product 2": "1.0, 2.0, 2.0, 2.0",
    }
    then_seen = {
        "customer 1": cleveland,
        "customer 2": "active Dayton, active Dayton, active Unknown, active Unknown",
        "customer 3": moved,
        "customer 5": "active Akron, active Akron, active Akron, active Akron",
        "customer 6": "active Akron, active Dayton, active Unknown, active Unknown",
        "product 2": "2.0, 2.0, 2.0, 2.0",
    }
    assert seen[1] == then_seen
    assert seen[2] == then_seen | {
        "customer 2": "active Dayton, active Unknown, active Unknown, active Unknown",
        "customer 4": "active Unknown, active Unknown, active Unknown, active Unknown",
        "customer 5": "active Akron, active Akron, active Akron, active Dayton",
        "product 1": "2.1, 2.1, 2.1, 2.1",
    }
    house.dbt("test", "--select", *TESTS_OF_VERSIONS)
    house.hold()


@pytest.mark.deep
def test_builds_after_each_of_many_loads_leave_what_one_full_build_does(house: House) -> None:
    search(house, examples=int(os.environ.get("HISTORIES", "100")), builds=4, deep=True)
