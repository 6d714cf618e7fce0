"""Unique rules: judged on the table as the load would leave it, and the later row is refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.intake.conftest import empty
from tests.intake.lab import Lab

SMALL = settings(
    derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def seats(lab: Lab) -> dict[str, str | None]:
    return dict(lab.mirror("seats"))


def test_the_later_of_two_rows_with_one_value_is_refused_and_names_the_first(lab: Lab) -> None:
    receipt = lab.rows("seats", (1, 7), (2, 7), (3, 8))
    [reject] = receipt.rejects
    assert (reject.row, reject.column, reject.rule, reject.value) == (2, "seat", "unique", "7")
    assert "id 1" in reject.message
    assert seats(lab) == {"1": "7", "3": "8"}


def test_a_value_that_stands_is_not_given_away(lab: Lab) -> None:
    lab.rows("seats", (2, 7))
    receipt = lab.rows("seats", (1, 7))
    assert [reject.row for reject in receipt.rejects] == [1]
    assert "id 2" in receipt.rejects[0].message
    assert seats(lab) == {"2": "7"}


def test_nulls_do_not_clash(lab: Lab) -> None:
    assert lab.rows("seats", (1, None), (2, None)).clean


def test_two_rows_may_swap_their_values_in_one_load(lab: Lab) -> None:
    lab.rows("seats", (1, 7), (2, 8))
    assert lab.rows("seats", (1, 8), (2, 7)).accepted == 2
    assert seats(lab) == {"1": "8", "2": "7"}


def test_a_value_given_up_in_the_same_load_may_be_taken_by_an_earlier_row(lab: Lab) -> None:
    lab.rows("seats", (1, 7))
    assert lab.rows("seats", (2, 7), (1, 9)).clean
    assert seats(lab) == {"1": "9", "2": "7"}


def test_a_value_that_a_key_had_only_in_passing_is_free(lab: Lab) -> None:
    receipt = lab.rows("seats", (1, 7), (2, 7), (1, 9))
    assert receipt.accepted == 3
    assert seats(lab) == {"1": "9", "2": "7"}


def test_a_refused_row_leaves_its_old_value_behind_so_its_taker_is_refused_too(lab: Lab) -> None:
    lab.rows("seats", (1, 10), (2, 20), (9, 90))
    receipt = lab.rows("seats", (3, 20), (2, 10), (1, 90))  # 1 can't have 90, so it keeps 10, so 2 keeps 20
    assert [reject.row for reject in receipt.rejects] == [1, 2, 3]
    assert seats(lab) == {"1": "10", "2": "20", "9": "90"}


def test_who_was_refused_for_a_row_that_is_refused_itself_comes_in(lab: Lab) -> None:
    lab.rows("staff", (1, 1, 9))
    # row 2 wants row 1's desk, and row 1 can't come in: its badge is taken
    receipt = lab.rows("staff", (2, 5, 9), (3, 5, 8))
    assert [reject.row for reject in receipt.rejects] == [1]
    assert [row[:3] for row in lab.mirror("staff")] == [("1", "1", "9"), ("3", "5", "8")]


def test_a_row_gets_in_when_who_pushed_it_out_is_refused_after_it(lab: Lab) -> None:
    lab.rows("staff", (1, 1, 9), (9, 90, 90))
    # 1 can't have desk 90, so it keeps badge 9, so 2 can't come in, so its desk is free for 3 after all
    receipt = lab.rows("staff", (2, 5, 9), (3, 5, 8), (1, 90, 1))
    assert [reject.row for reject in receipt.rejects] == [1, 3]
    assert [row[:3] for row in lab.mirror("staff")] == [("1", "1", "9"), ("3", "5", "8"), ("9", "90", "90")]


def test_both_rules_that_a_row_breaks_are_kept(lab: Lab) -> None:
    lab.rows("staff", (1, 1, 1), (2, 2, 2))
    receipt = lab.rows("staff", (3, 1, 2))
    assert [fault["column"] for fault in receipt.rejects[0].faults] == ["desk", "badge"]


def test_a_child_waits_when_its_parent_is_refused_as_not_unique(lab: Lab) -> None:
    lab.rows("staff", (1, 1, 1))
    receipt = lab.rows("staff", (2, 1, 2), (3, 3, 3, 2), (4, 4, 4, 3))
    assert (receipt.rejected, receipt.waiting, receipt.accepted) == (1, 2, 0)


def test_rows_that_can_come_in_only_without_each_other_do_not_keep_the_loader_for_ever(lab: Lab) -> None:
    """2 has the desk of 1; 1 refused keeps its badge from 3; 3 refused makes 2 wait; so 1 could come in, …"""
    lab.rows("staff", (1, 1, 9))
    receipt = lab.rows("staff", (2, 5, 2, 3), (1, 5, 1), (3, 3, 9))
    assert receipt.received == 3
    desks = [desk for _, desk, *_ in lab.mirror("staff")]
    assert len(set(desks)) == len(desks)
    assert {reject.rule for reject in receipt.rejects} <= {"unique", "relationships"}


ROWS = st.lists(st.tuples(st.integers(1, 4), st.one_of(st.none(), st.integers(1, 4))), min_size=1, max_size=6)
PEOPLE = st.lists(
    st.tuples(
        st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.one_of(st.none(), st.integers(1, 4))
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


def left_by(stands: dict[str, Any], rows: list[tuple[int, int | None]], refused: set[int]) -> dict[str, Any]:
    """The table that a load leaves: for each key the last of its rows that was not refused."""
    let_in = {str(key): _text(seat) for number, (key, seat) in enumerate(rows, 1) if number not in refused}
    return stands | let_in


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def clashing(table: dict[str, Any]) -> bool:
    return any(count > 1 for seat, count in Counter(table.values()).items() if seat is not None)


@SMALL
@given(loads=st.lists(ROWS, min_size=1, max_size=3))
def test_the_table_stays_unique_and_nobody_is_refused_without_need(lab: Lab, loads: list[Any]) -> None:
    empty(lab.engine)
    for rows in loads:
        before = seats(lab)
        receipt = lab.rows("seats", *rows)
        refused = {reject.row for reject in receipt.rejects}
        after = seats(lab)
        assert after == left_by(before, rows, refused)
        assert not clashing(after)
        if not clashing(left_by(before, rows, set())):
            assert not refused
        for number in refused:
            key, seat = rows[number - 1]
            assert seat is not None
            holders = [other for other, held in after.items() if held == str(seat)]
            assert set(holders) - {str(key)}, "the value for which it was refused is held by another"


@SMALL
@given(loads=st.lists(PEOPLE, min_size=1, max_size=3))
def test_with_parents_in_the_same_table_every_load_ends_and_every_rule_holds(lab: Lab, loads: list[Any]) -> None:
    empty(lab.engine)
    for rows in loads:
        receipt = lab.rows("staff", *rows)
        assert receipt.received == len(rows)
        standing = lab.mirror("staff")
        for place in (1, 2):
            held = [row[place] for row in standing]
            assert len(set(held)) == len(held)
        keys = {row[0] for row in standing}
        assert all(boss is None or boss in keys for *_, boss in standing)
    lab.audit()
