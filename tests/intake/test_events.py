"""Events are immutable: again is a duplicate, with other content a conflict, and the first stands."""

from __future__ import annotations

from tests.intake.lab import Lab


def test_the_same_event_again_is_a_duplicate(lab: Lab) -> None:
    lab.rows("events", (1, "sale", "1.50"))
    receipt = lab.rows("events", (1, "sale", "1.5"), (1, "sale", 1.50))
    assert (receipt.accepted, receipt.duplicates) == (0, 2)
    assert lab.mirror("events") == [("1", "sale", "1.50")]


def test_an_event_with_other_content_is_refused_and_the_message_names_both(lab: Lab) -> None:
    lab.rows("events", (5, "x", None))
    first = lab.rows("events", (2, "sale", "1"), (1, "sale", "1.50"))
    receipt = lab.rows("events", (9, "x", None), (1, "refund", None))
    [reject] = receipt.rejects
    assert (reject.row, reject.column, reject.rule) == (2, None, "event_conflict")
    assert f"load {first.load_id}, row 2" in reject.message
    assert reject.message.endswith("differs in kind, amount")
    assert lab.mirror("events")[0] == ("1", "sale", "1.50")
    assert lab.history("events") == []


def test_a_difference_to_null_is_a_difference(lab: Lab) -> None:
    lab.rows("events", (1, None, "1"))
    assert lab.rows("events", (1, "sale", "1")).rejects[0].message.endswith("differs in kind")


def test_within_one_load_the_first_event_stands(lab: Lab) -> None:
    receipt = lab.rows("events", (1, "a"), (1, "b"), (1, "a"), (2, "c"))
    assert (receipt.accepted, receipt.rejected, receipt.duplicates) == (2, 1, 1)
    assert f"load {receipt.load_id}, row 1" in receipt.rejects[0].message
    assert lab.mirror("events")[0][1] == "a"


def test_within_one_load_the_first_event_stands_also_when_it_is_spelled_oddly(lab: Lab) -> None:
    receipt = lab.load("events", "id,kind\n+1,a\n1,b\n")
    assert [reject.row for reject in receipt.rejects] == [2]
    assert lab.mirror("events")[0][1] == "a"


def test_an_event_that_waited_does_not_push_out_the_one_that_stands(lab: Lab) -> None:
    lab.rows("rooms", ("A", 1))
    lab.rows("visits", (1, "B", 1))
    lab.rows("visits", (1, "A", 1))
    [release] = lab.rows("rooms", ("B", 1)).releases
    assert (release.accepted, release.rejected) == (0, 1)
    assert release.rejects[0].rule == "event_conflict"
    assert lab.mirror("visits")[0][1] == "A"


def test_a_waiting_event_that_is_the_standing_one_is_a_duplicate_in_the_end(lab: Lab) -> None:
    waiting = lab.load("visits", "id,building,floor\n+1,B,1\n1,B,1\n")
    assert (waiting.waiting, waiting.duplicates) == (2, 0)  # not the same text
    [release] = lab.rows("rooms", ("B", 1)).releases
    assert (release.accepted, release.duplicates) == (1, 1)
