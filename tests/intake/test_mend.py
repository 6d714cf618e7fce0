"""Kept rows mended: where they stand, on record, and by one person at a time."""

from __future__ import annotations

from typing import Any

import pytest

from loader.intake.mend import AnotherWasQuicker, CanNotMend, Mend, mend, mend_and_judge
from loader.intake.receipt import Receipt
from tests.intake.lab import Lab


def refused(lab: Lab, name: str, *row: Any) -> int:
    return int(lab.rejects(lab.rows(name, row).load_id)[0]["reject_id"])


def judged(lab: Lab, name: str, number: int, seen: int | None = None, **values: str | None) -> Receipt:
    change = Mend(number, values, seen)
    return mend_and_judge(lab.engine, lab.contract, lab.table(name), [change], "mona")


def record(lab: Lab) -> list[tuple[Any, ...]]:
    return lab.query("select reject_id, mended_by, changes from ledger.mendings order by mending_id")


def test_a_mended_row_comes_in_and_what_was_changed_is_on_record(lab: Lab) -> None:
    number = refused(lab, "things", 1, "A", 11)
    receipt = judged(lab, "things", number, size="7")
    assert (receipt.door, receipt.accepted) == ("replay", 1)
    assert [row[:3] for row in lab.mirror("things")] == [("1", "A", "7")]
    assert record(lab) == [(number, "mona", {"size": ["11", "7"]})]
    lab.audit()


def test_when_its_replay_is_undone_it_is_kept_as_it_was_mended(lab: Lab) -> None:
    number = refused(lab, "things", 1, "A", 11)
    undone = lab.undo(judged(lab, "things", number, size="7").load_id).receipt
    (kept,) = lab.rejects(undone.load_id)
    assert (kept["status"], kept["payload"]["size"]) == ("rejected", "7")
    assert judged(lab, "things", kept["reject_id"], size="8").accepted == 1
    lab.audit()


def test_a_row_that_is_still_wrong_is_kept_as_it_was_mended(lab: Lab) -> None:
    number = refused(lab, "things", 1, "A", 11)
    again = judged(lab, "things", number, size="12")
    assert again.rejected == 1
    assert lab.rejects(again.load_id)[0]["payload"]["size"] == "12"


def test_a_dry_run_changes_nothing(lab: Lab) -> None:
    number = refused(lab, "things", 1, "A", 11)
    before = lab.counts()
    change = [Mend(number, {"size": "7"})]
    receipt = mend_and_judge(lab.engine, lab.contract, lab.table("things"), change, "mona", dry_run=True)
    assert (receipt.load_id, receipt.accepted) == (None, 1)
    assert lab.counts() == before
    assert record(lab) == []


def test_a_name_that_the_table_has_not_is_taken_away(lab: Lab) -> None:
    load = lab.load("notes", '{"id": 1, "word": "a", "price": "9"}', "ndjson")
    number = lab.rejects(load.load_id)[0]["reject_id"]
    with pytest.raises(CanNotMend, match="does not have"):
        judged(lab, "notes", number, word="b")
    assert judged(lab, "notes", number, price=None).accepted == 1
    assert record(lab) == [(number, "mona", {"price": ["9", None]})]


def test_a_line_that_could_not_be_read_comes_in_once_its_values_are_given(lab: Lab) -> None:
    load = lab.load("notes", "id,word\n1,a,b\n")
    kept = lab.rejects(load.load_id)[0]
    gone = dict.fromkeys(kept["payload"])
    assert judged(lab, "notes", kept["reject_id"], **(gone | {"id": "1", "word": "a"})).accepted == 1
    assert lab.mirror("notes") == [("1", "a")]


def test_a_row_mended_by_another_since_it_was_seen_is_left_alone(lab: Lab) -> None:
    number = refused(lab, "things", 1, "A", 11)
    table = lab.table("things")
    assert mend(lab.engine, table, [Mend(number, {"size": "12"}, 0)], "ann") == 1
    with pytest.raises(AnotherWasQuicker, match="somebody else"):
        mend(lab.engine, table, [Mend(number, {"size": "7"}, 0)], "mona")
    assert record(lab) == [(number, "ann", {"size": ["11", "12"]})]
    assert judged(lab, "things", number, 1, size="7").accepted == 1
    with pytest.raises(AnotherWasQuicker, match="not kept any more"):
        judged(lab, "things", number, None, size="6")


def test_all_of_several_or_none(lab: Lab) -> None:
    one, two = refused(lab, "things", 1, "A", 11), refused(lab, "things", 2, "A", 11)
    other = refused(lab, "seats", "x", 1)
    for wrong in (other, 4711):
        with pytest.raises(AnotherWasQuicker, match=f"row {wrong} "):
            mend(lab.engine, lab.table("things"), [Mend(n, {"size": "1"}) for n in (one, two, wrong)], "mona")
    assert record(lab) == []


def test_what_is_given_again_as_it_was_is_no_change(lab: Lab) -> None:
    number = refused(lab, "things", 1, "A", 11)
    assert mend(lab.engine, lab.table("things"), [Mend(number, {"size": "11", "colour": None})], "mona") == 0
    assert record(lab) == []


def test_a_key_to_delete_is_not_mended(lab: Lab) -> None:
    number = lab.rejects(lab.delete("notes", 7).load_id)[0]["reject_id"]
    with pytest.raises(CanNotMend, match="key to delete"):
        mend(lab.engine, lab.table("notes"), [Mend(number, {"id": "8"})], "mona")


def test_a_row_mended_to_another_key_lies_between_rows_of_that(lab: Lab) -> None:
    lab.rows("things", (1, "A", 5), (2, "A", 5))
    number = refused(lab, "things", 1, "B", 11)
    mend(lab.engine, lab.table("things"), [Mend(number, {"id": "2"})], "mona")
    assert lab.rows("things", (1, "A", 5)).duplicates == 1
    assert lab.rows("things", (2, "A", 5)).accepted == 1


def test_a_waiting_row_mended_to_another_parent_comes_in_with_that(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loader.intake.parents.FEW", 0)
    number = refused(lab, "tills", 5, 9, "A")
    mend(lab.engine, lab.table("tills"), [Mend(number, {"shop": "8"})], "mona")
    lab.rows("shops", 8)
    assert [row[1] for row in lab.mirror("tills")] == ["8"]
