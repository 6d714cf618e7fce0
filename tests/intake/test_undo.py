"""Undo: what a load brought is none any more, and what it had replaced stands again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loader.intake.attempt import LoadFailed
from loader.intake.load import load_file
from loader.intake.settle import lock
from loader.intake.undo import NoSuchLoad, UndoRefused
from loader.ledger.loads import read_receipt
from tests.intake.lab import Lab

MONDAY, TUESDAY, WEDNESDAY = (f"2024-01-0{day}T00:00:00Z" for day in (1, 2, 3))


def words(lab: Lab, name: str = "orders") -> list[str]:
    return [row[1] for row in lab.mirror(name)]


def keys(lab: Lab, name: str) -> list[str]:
    return [row[0] for row in lab.mirror(name)]


def test_what_a_load_had_replaced_stands_again(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY))
    load = lab.rows("orders", (1, "b", TUESDAY), (2, "n", TUESDAY))
    undone = lab.undo(load.load_id)
    assert words(lab) == ["a"]
    receipt, plan = undone.receipt, undone.plan
    assert (receipt.door, receipt.received, receipt.accepted) == ("undo", 2, 2)
    assert plan is not None
    assert (plan.retracted, plan.gone, plan.standing_again, plan.keys) == (2, 1, 1, ("2",))
    written = lab.query(
        "select note, _load_id, _written_load_id, _reason from staging_lab.orders__history order by 3, 1"
    )
    assert written == [("a", 1, 2, "replaced"), ("b", 2, 3, "undone"), ("n", 2, 3, "undone")]


def test_later_loads_stay_as_they_are_and_are_named(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY))
    load = lab.rows("orders", (1, "b", TUESDAY))
    later = lab.rows("orders", (1, "c", WEDNESDAY))
    plan = lab.undo(load.load_id).plan
    assert words(lab) == ["c"]
    assert plan is not None
    assert [(other.load_id, other.keys) for other in plan.later] == [(later.load_id, 1)]
    lab.undo(later.load_id)
    assert words(lab) == ["a"]


def test_a_version_that_was_older_on_arrival_is_retracted_too(lab: Lab) -> None:
    lab.rows("orders", (1, "b", TUESDAY))
    older = lab.rows("orders", (1, "a", MONDAY))
    lab.undo(older.load_id)
    assert lab.rows("orders", (1, "a", MONDAY)).accepted == 1


def test_events_can_be_undone_and_come_again_otherwise(lab: Lab) -> None:
    load = lab.rows("events", (1, "k", 5))
    lab.undo(load.load_id)
    assert lab.rows("events", (1, "k", 6)).accepted == 1
    assert lab.mirror("events") == [("1", "k", "6.00")]


def test_the_plan_changes_nothing(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY))
    load = lab.rows("orders", (1, "b", TUESDAY))
    before = lab.counts()
    undone = lab.undo(load.load_id, dry_run=True)
    assert (undone.receipt.status, undone.receipt.load_id) == ("dry_run", None)
    assert undone.plan is not None
    assert undone.plan.standing_again == 1
    assert lab.counts() == before
    assert words(lab) == ["b"]


def test_a_second_undo_has_nothing_to_do_and_says_so(lab: Lab) -> None:
    load = lab.rows("notes", (1, "a"))
    first = lab.undo(load.load_id)
    before = lab.counts()
    again = lab.undo(load.load_id)
    assert (again.receipt.load_id, again.receipt.repeated, again.plan) == (first.receipt.load_id, True, None)
    assert lab.counts() == before


def test_a_load_that_is_not_there_or_changed_nothing_is_not_undone(lab: Lab) -> None:
    with pytest.raises(NoSuchLoad):
        lab.undo(77)
    refused = lab.rows("notes", (1, "a"), ("x", "b"), on_reject="refuse")
    with pytest.raises(UndoRefused, match="refused"):
        lab.undo(refused.load_id)


def test_rows_of_the_load_that_wait_or_were_refused_do_not_come_in_any_more(lab: Lab) -> None:
    load = lab.rows("tills", (1, 10, "waits"), ("x", 10, "bad"))
    plan = lab.undo(load.load_id).plan
    assert plan is not None
    assert plan.dismissed == 2
    lab.rows("shops", 10)
    assert lab.mirror("tills") == []
    assert [r["status"] for r in lab.rejects(load.load_id)] == ["dismissed"] * 2


def test_rows_of_the_load_that_came_in_later_go_with_it(lab: Lab) -> None:
    load = lab.rows("tills", (1, 10, "waits"))
    lab.rows("shops", 10)
    assert keys(lab, "tills") == ["1"]
    lab.undo(load.load_id)
    assert lab.mirror("tills") == []


def test_rows_that_a_load_released_wait_again(lab: Lab) -> None:
    lab.rows("tills", (1, 10, "waited"))
    load = lab.rows("shops", 10)
    undone = lab.undo(load.load_id)
    assert lab.mirror("tills") == []
    assert undone.plan is not None
    assert [(b.table, b.rows, b.released) for b in undone.plan.waiting] == [("lab.tills", 1, True)]
    assert [(c.table, c.waiting) for c in undone.receipt.cascades] == [("tills", 1)]
    assert lab.rows("shops", 10).releases[0].accepted == 1


def test_a_parent_under_which_other_loads_rows_stand_stays(lab: Lab) -> None:
    load = lab.rows("shops", 10)
    lab.rows("tills", (1, 10, "x"))
    before = lab.counts()
    with pytest.raises(UndoRefused, match=r"1 rows of lab\.tills") as refused:
        lab.undo(load.load_id)
    assert refused.value.plan is not None
    assert refused.value.plan.needs_cascade
    assert lab.counts() == before
    assert lab.undo(load.load_id, cascade="wait").receipt.accepted == 1
    assert lab.mirror("tills") == []


def test_a_parent_that_another_version_stands_for_keeps_its_children(lab: Lab) -> None:
    lab.rows("shops", (10, None))
    lab.rows("regions", 1)
    load = lab.rows("shops", (10, 1))
    lab.rows("tills", (1, 10, "x"))
    lab.undo(load.load_id)
    assert lab.mirror("shops") == [("10", None)]
    assert keys(lab, "tills") == ["1"]


def test_a_version_that_would_stand_again_without_its_parent_waits(lab: Lab) -> None:
    lab.rows("shops", 1, 2)
    lab.rows("stalls", (5, 1, "old", MONDAY))
    load = lab.rows("stalls", (5, 2, "new", TUESDAY))
    lab.delete("shops", 1)
    undone = lab.undo(load.load_id)
    assert lab.mirror("stalls") == []
    assert [(c.table, c.waiting) for c in undone.receipt.cascades] == [("stalls", 1)]
    assert undone.plan is not None
    assert undone.plan.waiting == ()  # it had not stood
    lab.rows("shops", 1)
    assert [row[2] for row in lab.mirror("stalls")] == ["old"]


def test_undo_of_a_delete_lets_the_row_stand_again_and_its_children_in(lab: Lab) -> None:
    lab.rows("shops", 10)
    lab.rows("tills", (1, 10, "x"))
    delete = lab.delete("shops", 10, cascade="wait")
    undone = lab.undo(delete.load_id)
    assert keys(lab, "shops") == ["10"]
    assert keys(lab, "tills") == ["1"]
    assert [(r.table, r.accepted) for r in undone.receipt.releases] == [("tills", 1)]
    assert undone.plan is not None
    assert undone.plan.released == 1


def test_undo_of_an_undo_brings_everything_back(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY))
    load = lab.rows("orders", (1, "b", TUESDAY), (2, "n", TUESDAY))
    first = lab.undo(load.load_id)
    back = lab.undo(first.receipt.load_id)
    assert words(lab) == ["b", "n"]
    assert back.plan is not None
    assert (back.plan.retracted, back.plan.restored) == (0, 2)
    assert lab.undo(first.receipt.load_id).receipt.repeated
    third = lab.undo(back.receipt.load_id)
    assert words(lab) == ["a"]
    lab.undo(third.receipt.load_id)
    assert words(lab) == ["b", "n"]
    lab.undo(load.load_id)
    assert words(lab) == ["a"]


def test_undo_of_an_undo_judges_the_kept_rows_again(lab: Lab) -> None:
    load = lab.rows("tills", (1, 10, "waits"), (2, 11, "waits"), ("x", 1, "bad"))
    undo = lab.undo(load.load_id)
    lab.rows("shops", 10)
    back = lab.undo(undo.receipt.load_id)
    assert keys(lab, "tills") == ["1"]
    assert [(r.door, r.accepted, r.waiting, r.rejected) for r in back.receipt.releases] == [("replay", 1, 1, 1)]
    lab.rows("shops", 11)
    assert keys(lab, "tills") == ["1", "2"]


def test_undo_of_an_undo_lets_nothing_in_of_which_a_part_was_sent_that_the_table_has_not(lab: Lab) -> None:
    lines = '{"id": 1, "word": "a"}\n{"id": 2, "word": "b", "price": "9"}\n'
    load = lab.load("notes", lines, "ndjson")
    assert (load.accepted, load.rejected) == (1, 1)
    undo = lab.undo(load.load_id)
    lab.undo(undo.receipt.load_id)
    assert words(lab, "notes") == ["a"]
    kept = lab.rejects(load.load_id)[0]
    assert (kept["status"], kept["payload"]["price"]) == ("rejected", "9")


def test_undo_of_an_undo_lets_rows_in_that_it_had_set_to_waiting(lab: Lab) -> None:
    load = lab.rows("shops", 10)
    lab.rows("tills", (1, 10, "x"))
    undo = lab.undo(load.load_id, cascade="wait")
    lab.undo(undo.receipt.load_id)
    assert keys(lab, "tills") == ["1"]


def test_a_restored_version_that_is_older_now_does_not_come_to_stand(lab: Lab) -> None:
    load = lab.rows("orders", (1, "b", TUESDAY))
    undo = lab.undo(load.load_id)
    lab.rows("orders", (1, "c", WEDNESDAY))
    lab.undo(undo.receipt.load_id)
    assert words(lab) == ["c"]
    lab.rows("orders", (2, "b", TUESDAY))
    delete = lab.delete("orders", 2)
    undo = lab.undo(delete.load_id)
    lab.rows("orders", (2, "c", TUESDAY))
    lab.undo(undo.receipt.load_id)  # the delete had arrived before
    assert words(lab) == ["c", "c"]


def test_a_restored_delete_takes_the_row_away_again(lab: Lab) -> None:
    lab.rows("notes", (1, "a"))
    delete = lab.delete("notes", 1)
    undo = lab.undo(delete.load_id)
    assert words(lab, "notes") == ["a"]
    lab.undo(undo.receipt.load_id)
    assert words(lab, "notes") == []


def test_undo_of_a_replay_keeps_its_rows_to_be_mended_again(lab: Lab) -> None:
    load = lab.rows("notes", (1, "a"), ("2x", "b"))
    reject = lab.rejects(load.load_id)[0]["reject_id"]
    lab.query_and_commit(
        f'update ledger.rejects set payload = \'{{"id": "2", "word": "b"}}\' where reject_id = {reject}'
    )
    replay = lab.replay("notes", reject)
    assert words(lab, "notes") == ["a", "b"]
    undone = lab.undo(replay.load_id).receipt
    assert (undone.received, undone.accepted, undone.rejected) == (1, 0, 1)
    assert words(lab, "notes") == ["a"]
    kept = lab.rejects(undone.load_id)[0]
    assert (kept["status"], kept["rule"], kept["payload"]["id"]) == ("rejected", "undone", "2")
    lab.undo(undone.load_id)
    assert words(lab, "notes") == ["a", "b"]
    assert lab.rejects(undone.load_id)[0]["status"] == "resolved"


def test_a_release_is_not_undone_by_itself(lab: Lab) -> None:
    load = lab.rows("tills", (1, 10, "waits"))
    parent = lab.rows("shops", 10)
    wanted = rf"came with load {load.load_id}, and what they waited for with load {parent.load_id}\b"
    with pytest.raises(UndoRefused, match=wanted):
        lab.undo(parent.releases[0].load_id)
    cascade = lab.delete("shops", 10, cascade="wait").cascades[0]
    with pytest.raises(UndoRefused, match="took their parents away"):
        lab.undo(cascade.load_id)


def test_after_its_undo_a_file_is_loaded_again(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_text("id,word\n1,a\n")

    def send() -> tuple[int | None, bool]:
        receipt = load_file(lab.engine, lab.contract, lab.table("notes"), file, principal="tester")
        return receipt.load_id, receipt.repeated

    first, _ = send()
    assert send() == (first, True)
    lab.undo(first)
    second, repeated = send()
    assert not repeated
    assert words(lab, "notes") == ["a"]
    assert send() == (second, True)


def test_after_its_undo_an_idempotency_key_is_free_again(lab: Lab) -> None:
    first = lab.rows("notes", (1, "a"), idempotency_key="k", content_hash="h")
    undo = lab.undo(first.load_id)
    second = lab.rows("notes", (1, "a"), idempotency_key="k", content_hash="h")
    assert not second.repeated
    assert lab.rows("notes", (1, "a"), idempotency_key="k", content_hash="h").load_id == second.load_id
    with pytest.raises(UndoRefused, match=f"load {second.load_id} came with the same Idempotency-Key"):
        lab.undo(undo.receipt.load_id)


def test_a_version_that_would_break_a_unique_rule_does_not_stand_again(lab: Lab) -> None:
    lab.rows("seats", (1, 5))
    load = lab.rows("seats", (1, 6))
    lab.rows("seats", (2, 5))
    before = lab.counts()
    with pytest.raises(UndoRefused, match="unique"):
        lab.undo(load.load_id)
    assert lab.counts() == before


def test_an_undo_does_not_wait_for_ever_for_another_load(lab: Lab) -> None:
    load = lab.rows("notes", (1, "a"))
    with lab.engine.begin() as other:
        lock(other, lab.contract, lab.table("notes"))
        with pytest.raises(LoadFailed, match="still running"):
            lab.undo(load.load_id, lock_seconds=1)
    assert words(lab, "notes") == ["a"]


def test_keys_that_tell_who_someone_is_are_not_named(lab: Lab) -> None:
    people = lab.table("notes")
    covered = lab.with_table(replace(people, columns=(replace(people.columns[0], pii="direct"), *people.columns[1:])))
    plan = covered.undo(covered.rows("notes", (1, "a")).load_id).plan
    assert plan is not None
    assert plan.keys == ("•••",)


def test_a_receipt_does_not_change_when_its_load_is_undone(lab: Lab) -> None:
    load = lab.rows("notes", (1, "a"))
    lab.undo(load.load_id)
    with lab.engine.connect() as connection:
        assert read_receipt(connection, load.load_id or 0) == load


def test_of_events_the_first_stands_when_it_is_brought_back(lab: Lab) -> None:
    """The one that came while it was gone is a later word on what does not change."""
    first = lab.rows("events", (1, "A", 1))
    undone = lab.undo(first.load_id).receipt
    lab.rows("events", (1, "B", 2))
    lab.undo(undone.load_id)
    assert words(lab, "events") == ["A"]


def test_anothers_key_of_the_same_words_stands_in_nobodys_way(lab: Lab) -> None:
    first = lab.load("notes", "id,word\n1,a\n", idempotency_key="k", content_hash="h")
    undone = lab.undo(first.load_id).receipt
    lab.load("notes", "id,word\n2,b\n", idempotency_key="k", content_hash="i", principal="another")
    lab.undo(undone.load_id)
    assert keys(lab, "notes") == ["1", "2"]
    lab.undo(first.load_id)
    lab.load("notes", "id,word\n3,c\n", idempotency_key="k", content_hash="j")
    second = lab.query("select max(load_id) from ledger.loads where door = 'undo'")[0][0]
    with pytest.raises(UndoRefused, match="the same Idempotency-Key"):
        lab.undo(second)


def test_a_row_that_waited_goes_with_the_load_it_came_by_though_it_was_let_in_and_set_to_waiting_again(
    lab: Lab,
) -> None:
    first = lab.rows("tills", (5, 9, "A"))
    lab.rows("shops", (9, None))
    lab.delete("shops", 9, cascade="wait")
    lab.undo(first.load_id)
    lab.rows("shops", (9, None))
    assert lab.mirror("tills") == []
