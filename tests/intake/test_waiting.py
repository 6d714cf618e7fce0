"""A row whose parent has not arrived waits, and comes in by itself, in its old place, when it does."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from loader.intake import parents
from tests.intake.lab import Lab

MONDAY, TUESDAY, WEDNESDAY = (f"2024-01-0{day}T00:00:00Z" for day in (1, 2, 3))


@pytest.fixture(autouse=True, params=["all are asked", "those that wait for it"])
def found(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How those who wait are found when a parent comes: by two ways, and with the same end."""
    if request.param == "those that wait for it":
        monkeypatch.setattr(parents, "FEW", 0)


def statuses(lab: Lab, name: str) -> list[tuple[str, int | None]]:
    return lab.query(
        f"select status, resolved_load_id from ledger.rejects where table_name = '{name}' order by reject_id"
    )  # fmt: skip


def test_a_row_without_its_parent_waits_and_comes_in_with_it(lab: Lab) -> None:
    receipt = lab.rows("shops", (1, 10), (2, None))
    assert (receipt.waiting, receipt.accepted) == (1, 1)
    [reject] = receipt.rejects
    assert (reject.row, reject.column, reject.rule, reject.value) == (1, "region", "relationships", "10")
    assert "lab.regions" in reject.message
    assert lab.rows("regions", 11).releases == ()
    parent = lab.rows("regions", 10)
    [release] = parent.releases
    assert (release.door, release.table, release.accepted) == ("release", "shops", 1)
    assert statuses(lab, "shops") == [("resolved", release.load_id)]
    assert lab.mirror("shops") == [("1", "10"), ("2", None)]
    assert lab.query(f"select cause_load_id from ledger.loads where load_id = {release.load_id}") == [(parent.load_id,)]


def test_an_entry_says_by_which_row_of_which_load_it_came_in(lab: Lab) -> None:
    lab.rows("shops", (5, 10), (4, 10))
    [release] = lab.rows("regions", 10).releases
    came = lab.query("select payload ->> 'id', resolved_row from ledger.rejects order by reject_id")
    stands = lab.query(f"select id::text, _row from staging_lab.shops where _load_id = {release.load_id} order by _row")
    assert came == stands == [("5", 1), ("4", 2)]


def test_a_row_is_both_wrong_and_an_orphan_only_wrong(lab: Lab) -> None:
    receipt = lab.rows("stalls", (1, 10, "a", "never"))
    assert (receipt.rejected, receipt.waiting) == (1, 0)
    lab.rows("shops", (10, None))
    assert statuses(lab, "stalls") == [("rejected", None)]


def test_a_row_equal_to_a_waiting_one_is_a_duplicate(lab: Lab) -> None:
    assert lab.rows("shops", (1, 10), (1, 10)).duplicates == 1
    assert lab.rows("shops", (1, 10), (1, 11)).duplicates == 1
    assert lab.rows("regions", 10).releases[0].received == 1


def test_a_composite_parent_must_match_in_all_columns(lab: Lab) -> None:
    lab.rows("rooms", ("A", 1), ("B", 2))
    receipt = lab.rows("visits", (1, "A", 1), (2, "A", 2), (3, "A", None), (4, None, 9))
    assert (receipt.accepted, receipt.waiting) == (3, 1)
    assert (receipt.rejects[0].row, receipt.rejects[0].column, receipt.rejects[0].value) == (2, None, "A, 2")
    assert lab.rows("rooms", ("A", 2)).releases[0].accepted == 1


def test_a_row_with_two_parents_waits_for_both(lab: Lab) -> None:
    receipt = lab.rows("visits", (1, "A", 1, 7))
    assert [fault["column"] for fault in receipt.rejects[0].faults] == [None, "shop"]
    assert lab.rows("rooms", ("A", 1)).releases == ()
    assert lab.mirror("visits") == []
    assert lab.rows("shops", (7, None)).releases[0].accepted == 1
    assert len(lab.mirror("visits")) == 1


def test_a_relation_that_is_not_meant_for_a_row_does_not_hold_it_back(lab: Lab) -> None:
    visits = lab.table("visits")
    rooms, shops, regions = visits.relationships
    only_upstairs = replace(shops, where='"floor" > 1')
    changed = lab.with_table(replace(visits, relationships=(rooms, only_upstairs, regions)))
    assert changed.rows("visits", (1, "A", 1, 7), (2, "A", 2, 7)).waiting == 2
    assert changed.rows("rooms", ("A", 1), ("A", 2)).releases[0].accepted == 1  # the second waits for its shop
    assert changed.rows("shops", (7, None)).releases[0].accepted == 1


def test_a_parent_whose_lack_only_warns_is_not_waited_for(lab: Lab) -> None:
    receipt = lab.rows("visits", (1, None, None, None, 99))
    assert (receipt.accepted, [(w.column, w.rule, w.rows) for w in receipt.warnings]) == (
        1,
        [("region", "relationships", 1)],
    )


@pytest.mark.parametrize("order", [*itertools.permutations(((1, None), (2, 1), (3, 2)))])
def test_a_chain_within_one_table_comes_in_in_any_order(lab: Lab, order: tuple[tuple[int, int | None], ...]) -> None:
    receipt = lab.rows("nodes", *order)
    assert receipt.clean
    assert receipt.accepted == 3


@pytest.mark.parametrize("order", [*itertools.permutations(((1, None), (2, 1), (3, 2)))])
def test_a_chain_within_one_table_comes_in_when_each_row_is_a_load(
    lab: Lab, order: tuple[tuple[int, int | None], ...]
) -> None:
    for row in order:
        lab.rows("nodes", row)
    assert [key for key, _ in lab.mirror("nodes")] == ["1", "2", "3"]
    assert {status for status, _ in statuses(lab, "nodes")} <= {"resolved"}


def test_a_row_may_be_its_own_parent_and_two_each_others(lab: Lab) -> None:
    assert lab.rows("nodes", (1, 1), (2, 3), (3, 2)).clean
    receipt = lab.rows("nodes", (4, 5), (5, 6))
    assert (receipt.waiting, receipt.accepted) == (2, 0)


def test_a_grandparent_that_comes_last_lets_all_in(lab: Lab) -> None:
    lab.rows("tills", (1, 2, "a"))
    assert lab.rows("shops", (2, 3)).waiting == 1
    assert lab.mirror("tills") == []
    releases = lab.rows("regions", 3).releases
    assert [(release.table, release.accepted) for release in releases] == [("shops", 1), ("tills", 1)]


def test_a_parent_that_is_itself_refused_lets_nothing_in(lab: Lab) -> None:
    lab.rows("shops", (1, 10))
    assert lab.load("regions", "id\nten\n").releases == ()
    assert lab.mirror("shops") == []


def test_a_row_let_in_late_does_not_overwrite_a_newer_one(lab: Lab) -> None:
    lab.rows("shops", (1, None))
    lab.rows("tills", (5, 9, "first"))
    lab.rows("tills", (5, 1, "second"))
    [release] = lab.rows("shops", (9, None)).releases
    assert release.accepted == 1
    assert lab.mirror("tills") == [("5", "1", "second")]
    assert [(row[2], row[-1]) for row in lab.history("tills")] == [("first", "older")]


def test_a_row_let_in_late_replaces_what_arrived_before_it(lab: Lab) -> None:
    lab.rows("shops", (1, None))
    lab.rows("tills", (5, 1, "first"))
    lab.rows("tills", (5, 9, "second"))
    lab.rows("shops", (9, None))
    assert lab.mirror("tills") == [("5", "9", "second")]


def test_rows_let_in_together_keep_the_order_in_which_they_arrived(lab: Lab) -> None:
    lab.rows("tills", (5, 8, "first"))
    lab.rows("tills", (5, 9, "third"), (6, 8, "x"), (5, 8, "last"))
    lab.rows("shops", (9, None))  # lets in the third alone
    lab.rows("shops", (8, None))  # then the first and the last, around it
    assert [row[2] for row in lab.mirror("tills")] == ["last", "x"]
    assert [row[2] for row in lab.history("tills")] == ["third", "first"]


def test_a_row_let_in_late_takes_its_place_by_valid_from(lab: Lab) -> None:
    lab.rows("shops", (1, None))
    lab.rows("stalls", (5, 9, "tuesday", TUESDAY), (6, 9, "wednesday", WEDNESDAY))
    lab.rows("stalls", (5, 1, "wednesday", WEDNESDAY), (6, 1, "tuesday", TUESDAY))
    lab.rows("shops", (9, None))
    assert [row[2] for row in lab.mirror("stalls")] == ["wednesday", "wednesday"]
    assert [(row[2], row[-1]) for row in lab.history("stalls")] == [("tuesday", "older"), ("tuesday", "replaced")]


def test_at_one_moment_a_row_let_in_late_still_counts_by_its_arrival(lab: Lab) -> None:
    lab.rows("shops", (1, None))
    lab.rows("stalls", (5, 9, "first", MONDAY))
    lab.rows("stalls", (5, 1, "second", MONDAY))
    lab.rows("shops", (9, None))
    assert [row[2] for row in lab.mirror("stalls")] == ["second"]


def test_many_waiting_rows_come_in_together(lab: Lab) -> None:
    lab.rows("shops", *((key, key % 3) for key in range(6000)))
    assert lab.mirror("shops") == []
    receipts = [lab.rows("regions", key) for key in range(3)]
    assert [receipt.releases[0].accepted for receipt in receipts] == [2000] * 3


def test_who_waits_by_other_relationships_than_the_contracts_is_asked_too(lab: Lab) -> None:
    lab.rows("visits", (1, "A", 1, 7))  # lacks its room, and its shop
    visits = lab.table("visits")
    changed = lab.with_table(replace(visits, relationships=visits.relationships[1:]))
    assert changed.rows("shops", (7, None)).releases[0].accepted == 1


def test_who_waits_under_no_name_is_asked_whatever_comes_and_has_one_then(lab: Lab) -> None:
    lab.rows("shops", (1, 10), (2, 11))
    lab.query_and_commit("update ledger.rejects set awaits = null")  # as it was before there were names
    assert lab.rows("shops", (1, 10)).duplicates == 1
    assert lab.rows("regions", 10).releases[0].accepted == 1
    assert lab.query("select awaits is null from ledger.rejects where status = 'waiting'") == [(False,)]
    assert lab.rows("regions", 11).releases[0].accepted == 1
