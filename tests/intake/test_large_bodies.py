"""Bodies whose keys stand already: few rows and many come to the same (``lab`` tries both)."""

from __future__ import annotations

import subprocess
import sys

from loader.intake.receipt import Receipt
from tests.intake.lab import Lab

DAY = "2024-01-0{}T00:00:00Z"


def counts(receipt: Receipt) -> tuple[int, int, int, int]:
    return receipt.accepted, receipt.waiting, receipt.rejected, receipt.duplicates


def test_the_same_rows_again_change_nothing(lab: Lab) -> None:
    lab.rows("notes", (1, "a"), (2, None), (3, "c"))
    assert counts(lab.rows("notes", (3, "c"), (1, "a"), (2, None))) == (0, 0, 0, 3)
    assert lab.mirror("notes") == [("1", "a"), ("2", None), ("3", "c")]
    assert lab.history("notes") == []
    lab.audit()


def test_some_rows_again_among_new_and_changed_ones(lab: Lab) -> None:
    lab.rows("notes", (1, "a"), (2, "b"), (3, "c"))
    assert counts(lab.rows("notes", (2, "b"), (4, "d"), (3, None), (1, "a"))) == (2, 0, 0, 2)
    assert lab.mirror("notes") == [("1", "a"), ("2", "b"), ("3", None), ("4", "d")]
    assert lab.history("notes") == [("3", "c", "replaced")]
    lab.audit()


def test_a_row_that_brings_back_what_the_one_before_it_changed_is_no_repeat(lab: Lab) -> None:
    lab.rows("notes", (1, "a"))
    assert counts(lab.rows("notes", (1, "b"), (1, "a"))) == (2, 0, 0, 0)
    assert lab.mirror("notes") == [("1", "a")]
    assert lab.history("notes") == [("1", "a", "replaced"), ("1", "b", "replaced")]
    lab.audit()


def test_a_row_that_waited_and_is_what_stands_now_comes_before_it(lab: Lab) -> None:
    """It arrived first: what stands is a repeat of it no more than it is one."""
    lab.rows("regions", 1)
    waiting = lab.rows("shops", (7, 2))
    lab.rows("shops", (7, 1))
    assert counts(waiting) == (0, 1, 0, 0)
    assert [release.accepted for release in lab.rows("regions", 2).releases] == [1]
    assert lab.mirror("shops") == [("7", "1")]
    assert lab.history("shops") == [("7", "2", "older")]
    lab.audit()


def test_what_waits_and_was_changed_back_is_changed(lab: Lab) -> None:
    """The result must not depend on whether the parent was late."""
    lab.rows("regions", 1)
    for region_known in (False, True):
        if region_known:
            lab.rows("regions", 2)
        shop = 7 if region_known else 8
        received = [lab.rows("tills", (shop, shop, label)) for label in ("a", "a", "b", "a", "a")]
        assert [receipt.duplicates for receipt in received] == [0, 1, 0, 0, 1]
        lab.rows(
            "tills", (shop + 10, shop, "c"), (shop + 10, shop, "d"), (shop + 10, shop, "c"), (shop + 10, shop, "c")
        )
        lab.rows("shops", (shop, 1))
    assert sorted(lab.mirror("tills")) == [("17", "7", "c"), ("18", "8", "c"), ("7", "7", "a"), ("8", "8", "a")]
    lab.audit()


def test_versions_by_a_moment(lab: Lab) -> None:
    lab.rows("orders", (1, "a", DAY.format(2)), (2, "b", DAY.format(2)))
    again = lab.rows("orders", (1, "a", DAY.format(2)), (2, "b", DAY.format(3)), (1, "z", DAY.format(1)))
    assert counts(again) == (2, 0, 0, 1)
    assert [row[1] for row in lab.mirror("orders")] == ["a", "b"]
    assert [(row[1], row[-1]) for row in lab.history("orders")] == [("z", "older"), ("b", "replaced")]
    lab.audit()


def test_events(lab: Lab) -> None:
    lab.rows("events", (1, "a", "1.5"), (2, "b", None))
    again = lab.rows("events", (1, "a", "1.50"), (2, "c", None), (3, "d", "1"), (3, "d", "1"))
    assert counts(again) == (1, 0, 1, 2)
    assert lab.rejects(again.load_id)[0]["payload"] == {"id": "2", "kind": "c", "amount": None}
    lab.audit()


def test_a_row_under_a_standing_key_that_may_not_come_in_is_kept_as_it_came(lab: Lab) -> None:
    lab.rows("regions", 1)
    lab.rows("shops", (1, 1), (2, 1))
    again = lab.load("shops", "id,region\n1,09\n02,1\n1,9\n1,09\n")
    assert counts(again) == (0, 3, 0, 1)
    assert [kept["payload"]["region"] for kept in lab.rejects(again.load_id)] == ["09", "9", "09"]
    lab.rows("things", (1, "good", 5))
    refused = lab.load("things", "id,name,size\n1,good,11\n1,good,5\n1,good,x\n")
    assert counts(refused) == (1, 0, 2, 0)  # the good one would stand over the first, if that were mended
    assert [kept["payload"]["size"] for kept in lab.rejects(refused.load_id)] == ["11", "x"]
    lab.audit()


def test_a_value_taken_by_another_key(lab: Lab) -> None:
    lab.rows("seats", (1, 10), (2, 20))
    again = lab.rows("seats", (1, 10), (2, 10), (3, 20))
    assert counts(again) == (0, 0, 2, 1)
    assert lab.mirror("seats") == [("1", "10"), ("2", "20")]
    lab.audit()


def test_a_command_starts_without_what_only_the_demonstration_needs() -> None:
    """Arrow would import pandas with its first value: a quarter of a second and 40 MB."""
    program = "import sys, loader.commands.load, pyarrow as pa; pa.array([1]); print('pandas' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
