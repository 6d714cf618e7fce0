"""A few good rows come in by one statement; the landing is for others."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from typing import Any

import pytest

from loader.intake import landing
from loader.intake.decode import FEW
from loader.intake.load import LoadFailed, load_stream
from loader.ledger.loads import Origin
from tests.intake.lab import Lab, rule

#: Where a body is large, no way but the large one is looked at.
pytestmark = pytest.mark.parametrize("lab", ["as it comes"], indirect=True)


@pytest.fixture
def no_landing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: Any, **__: Any) -> int:
        raise AssertionError("these rows need no landing")

    monkeypatch.setattr(landing, "fill", fill)


@pytest.mark.usefixtures("no_landing")
def test_good_rows_come_in_by_one_statement(lab: Lab) -> None:
    receipt = lab.rows("regions", *range(FEW))
    assert (receipt.received, receipt.accepted) == (FEW, FEW)
    assert lab.rows("shops", (1, 7), (2, None)).accepted == 2
    assert lab.query("select count(*), min(_row), max(_row) from staging_lab.regions") == [(FEW, 1, FEW)]
    kept = lab.query(
        f"select status, received, accepted, seq is not null, started_at <= finished_at, principal, door "
        f"from ledger.loads where load_id = {receipt.load_id}"
    )
    assert kept == [("succeeded", FEW, FEW, True, True, "tester", "api")]


@pytest.mark.parametrize(("rows", "accepted"), [
    ([(1, 7), (2, 8)], 1),  # the second lacks its parent
    ([(1, 7), (1, None)], 2),  # a key twice: two versions
    ([(1, 7), (9, 7)], 1),  # the second stands already
    ([(1, 7), ("x", 7)], 1),
])  # fmt: skip
def test_when_not_all_may_come_in_nothing_has_happened_and_each_gets_its_verdict(
    lab: Lab, rows: list[tuple[Any, ...]], accepted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.rows("regions", 7)
    lab.rows("shops", (9, 7))
    before = lab.query("select last_value from ledger.loads_load_id_seq")[0][0]
    found = []
    fill = landing.fill

    def look(connection: Any, *more: Any) -> int:
        with connection.connection.cursor() as cursor:
            cursor.execute("select (select count(*) from staging_lab.shops), (select max(load_id) from ledger.loads)")
            found.append(cursor.fetchone())
        return fill(connection, *more)

    monkeypatch.setattr(landing, "fill", look)
    receipt = lab.rows("shops", *rows)
    assert found == [(1, before)]
    assert receipt.load_id == before + 1, "no number is drawn in vain"
    assert (receipt.received, receipt.accepted) == (2, accepted)


def test_after_a_delete_other_keys_still_come_in_by_one_statement(lab: Lab, request: pytest.FixtureRequest) -> None:
    lab.rows("regions", 1, 2)
    assert lab.delete("regions", 1).accepted == 1
    request.getfixturevalue("no_landing")
    assert lab.rows("regions", 3).accepted == 1


def test_the_statement_is_planned_once_a_connection(lab: Lab) -> None:
    lab.engine.dispose()  # one connection, and a new one
    plans = "select sum(generic_plans), sum(custom_plans) from pg_prepared_statements where name ~ '^few_'"
    lab.rows("regions", 0)
    ((before, _),) = lab.query(plans)
    for key in range(1, 8):
        lab.rows("regions", key)
    assert lab.query(plans) == [(before + 7, 0)]


def test_a_table_that_is_being_altered_is_not_waited_for_longer_than_a_table_that_is_loaded(lab: Lab) -> None:
    lab.engine.dispose()  # a connection that has prepared nothing
    with lab.engine.begin() as altering:
        altering.exec_driver_sql("lock table staging_lab.regions in access exclusive mode")
        began = time.monotonic()
        with pytest.raises(LoadFailed, match="still running"):
            load_stream(
                lab.engine, lab.contract, lab.table("regions"), io.BytesIO(b"id\n1\n"), "csv",
                Origin("api", "tester"), lock_seconds=0.5,
            )  # fmt: skip
        assert 0.4 < time.monotonic() - began < 20


def test_a_contract_that_says_something_else_is_prepared_anew_and_the_former_is_forgotten(lab: Lab) -> None:
    lab.engine.dispose()
    assert lab.rows("things", (1, "a", 5)).accepted == 1
    things = lab.table("things")
    stricter = lab.with_table(
        replace(things, row_rules=(*things.row_rules, rule("at_most", "size", '"size" <= 4', "is")))
    )
    assert stricter.rows("things", (2, "b", 5)).rejected == 1
    assert lab.rows("things", (3, "c", 5)).accepted == 1
    assert lab.query("select count(*) from pg_prepared_statements where name ~ '^few_'") == [(1,)]


def test_what_could_not_be_prepared_stands_in_no_other_load_s_way(lab: Lab) -> None:
    lab.engine.dispose()
    assert lab.rows("regions", 1).accepted == 1
    absent = lab.with_table(replace(lab.table("regions"), identifier="absent"))
    with pytest.raises(LoadFailed, match="after `loader migrate`"):
        absent.rows("regions", 2)
    assert lab.rows("regions", 3).accepted == 1
    with pytest.raises(LoadFailed, match="after `loader migrate`"):
        absent.rows("regions", 4)
    assert lab.rows("shops", (1, 1)).accepted == 1
    assert lab.query("select count(*) from pg_prepared_statements where name ~ '^few_'") == [(1,)]
