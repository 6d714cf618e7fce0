"""Deletes by key: a delete is a version, and ranks as one."""

from __future__ import annotations

import pytest

from loader.intake.load import KeyReused, LoadFailed
from tests.intake.lab import Lab, parquet

MONDAY, TUESDAY, WEDNESDAY = (f"2024-01-0{day}T00:00:00Z" for day in (1, 2, 3))


def current(lab: Lab, name: str = "orders") -> list[str]:
    return [row[1] for row in lab.mirror(name)]


def counts(receipt: object) -> tuple[int, ...]:
    return tuple(getattr(receipt, name) for name in ("received", "accepted", "waiting", "rejected", "duplicates"))


def test_a_deleted_key_leaves_the_table_and_its_version_goes_to_the_history(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY), (2, "b", MONDAY))
    assert counts(lab.delete("orders", 1)) == (1, 1, 0, 0, 0)
    assert current(lab) == ["b"]
    entries = lab.query(
        "select note, _load_id, _row, _written_load_id, _reason from staging_lab.orders__history order by _load_id"
    )
    assert entries == [("a", 1, 1, 2, "deleted"), (None, 2, 1, 2, "deleted")]


def test_an_older_row_does_not_revive_a_deleted_key_and_a_newer_one_does(lab: Lab) -> None:
    lab.rows("orders", (1, "b", TUESDAY))
    lab.delete("orders", 1)
    assert lab.rows("orders", (1, "a", MONDAY)).accepted == 1
    assert current(lab) == []
    assert lab.history("orders")[-1][1::2] == ("a", "older")
    lab.rows("orders", (1, "c", WEDNESDAY))
    assert current(lab) == ["c"]


def test_a_delete_that_states_its_moment_ranks_by_it(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY), (2, "a", WEDNESDAY))
    assert lab.delete("orders", 1, 2, valid_from=TUESDAY).accepted == 2
    assert [row[0] for row in lab.mirror("orders")] == ["2"]
    assert lab.rows("orders", (1, "b", MONDAY)).accepted == 1
    assert [row[0] for row in lab.mirror("orders")] == ["2"]


def test_a_delete_may_come_before_the_row_that_it_deletes(lab: Lab) -> None:
    assert lab.delete("orders", 1, valid_from=TUESDAY).accepted == 1
    assert lab.rows("orders", (1, "a", MONDAY)).accepted == 1
    assert current(lab) == []


def test_the_same_row_again_does_not_revive_a_deleted_key(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY))
    lab.delete("orders", 1)
    assert lab.rows("orders", (1, "a", MONDAY)).duplicates == 1
    assert current(lab) == []


def test_without_valid_from_a_row_that_arrives_later_revives_the_key(lab: Lab) -> None:
    lab.rows("notes", (1, "a"))
    lab.delete("notes", 1)
    assert lab.rows("notes", (1, "a")).accepted == 1
    assert lab.mirror("notes") == [("1", "a")]


def test_an_empty_row_is_not_taken_for_a_repetition_of_a_delete(lab: Lab) -> None:
    lab.rows("notes", (1, "a"))
    lab.delete("notes", 1)
    assert lab.rows("notes", (1, None)).accepted == 1
    lab.rows("regions", 1)
    lab.delete("regions", 1)
    assert lab.rows("regions", 1).accepted == 1


def test_a_key_that_is_gone_already_is_a_duplicate(lab: Lab) -> None:
    lab.rows("notes", (1, "a"))
    assert counts(lab.delete("notes", 1, 1)) == (2, 1, 0, 0, 1)
    assert counts(lab.delete("notes", 1)) == (1, 0, 0, 0, 1)
    lab.rows("orders", (1, "a", MONDAY))
    lab.delete("orders", 1, valid_from=TUESDAY)
    assert lab.delete("orders", 1).duplicates == 1
    assert lab.delete("orders", 1, valid_from=TUESDAY).duplicates == 1
    assert lab.delete("orders", 1, valid_from=WEDNESDAY).accepted == 1


def test_a_key_that_nothing_is_known_of_is_rejected(lab: Lab) -> None:
    receipt = lab.delete("notes", 7)
    assert counts(receipt) == (1, 0, 0, 1, 0)
    assert (receipt.rejects[0].rule, receipt.rejects[0].row) == ("no_such_key", 1)


def test_a_delete_names_whole_keys_of_the_right_type(lab: Lab) -> None:
    lab.rows("rooms", ("north", 1))
    receipt = lab.load("rooms", '{"building": "north"}\n{"building": "north", "floor": "x"}', "ndjson", op="delete")
    assert [reject.rule for reject in receipt.rejects] == ["not_null", "data_type"]
    assert len(lab.mirror("rooms")) == 1


def test_the_rest_of_a_row_is_not_looked_at(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY))
    assert lab.rows("orders", (1, "other", None), op="delete").accepted == 1
    assert current(lab) == []


def test_events_are_not_deleted(lab: Lab) -> None:
    lab.rows("events", (1, "k", 5))
    with pytest.raises(LoadFailed, match="immutable"):
        lab.delete("events", 1)
    assert len(lab.mirror("events")) == 1


def test_a_delete_refused_whole_changes_nothing(lab: Lab) -> None:
    lab.rows("notes", (1, "a"))
    receipt = lab.delete("notes", 1, 9, on_reject="refuse")
    assert (receipt.status, counts(receipt)) == ("refused", (2, 0, 0, 2, 0))
    assert [reject.rule for reject in receipt.rejects] == ["load_refused", "no_such_key"]
    assert lab.mirror("notes") == [("1", "a")]
    assert lab.history("notes") == []


def test_a_dry_run_of_a_delete_changes_nothing(lab: Lab) -> None:
    lab.rows("notes", (1, "a"))
    before = lab.counts()
    assert lab.delete("notes", 1, dry_run=True).accepted == 1
    assert lab.counts() == before


def test_a_dry_run_of_a_delete_says_which_rows_would_wait(lab: Lab) -> None:
    lab.rows("regions", 1)
    lab.rows("shops", (10, 1), (20, 1))
    before = lab.counts()
    dry = lab.delete("regions", 1, cascade="wait", dry_run=True)
    assert [(c.load_id, c.status, c.table, c.waiting) for c in dry.cascades] == [(None, "dry_run", "shops", 2)]
    assert lab.counts() == before


def test_a_parent_with_rows_under_it_is_not_deleted(lab: Lab) -> None:
    lab.rows("regions", 1, 2, 3)
    lab.rows("shops", *((n, 1) for n in range(10, 15)), (20, 2))
    receipt = lab.delete("regions", 1, 2, 3)
    assert counts(receipt) == (3, 1, 0, 2, 0)
    assert [reject.rule for reject in receipt.rejects] == ["has_children"] * 2
    assert receipt.rejects[0].message == (
        "5 rows of lab.shops stand under it: 10; 11; 12; …. Delete those first, or let them wait: cascade=wait"
    )
    assert [row[0] for row in lab.mirror("regions")] == ["1", "2"]


def test_parent_and_child_of_one_table_go_together(lab: Lab) -> None:
    lab.rows("nodes", 1, (2, 1), (3, 2), (4, 1))
    assert counts(lab.delete("nodes", 1, 2, 3)) == (3, 2, 0, 1, 0)  # 4 stands under 1
    assert [row[0] for row in lab.mirror("nodes")] == ["1", "4"]
    assert counts(lab.delete("nodes", 1, 4)) == (2, 2, 0, 0, 0)


def test_a_refused_child_keeps_its_parent(lab: Lab) -> None:
    lab.rows("nodes", 1, (2, 1), (3, 2))
    receipt = lab.delete("nodes", 1, 2)
    assert counts(receipt) == (2, 0, 0, 2, 0)


def test_children_wait_when_asked_to_and_come_in_again_with_their_parent(lab: Lab) -> None:
    lab.rows("regions", 1)
    lab.rows("shops", (10, 1))
    lab.rows("tills", (100, 10, "x"))
    receipt = lab.delete("regions", 1, cascade="wait")
    assert counts(receipt) == (1, 1, 0, 0, 0)
    assert [(c.table, c.waiting) for c in receipt.cascades] == [("shops", 1), ("tills", 1)]
    assert lab.mirror("shops") == lab.mirror("tills") == []
    assert [row[-1] for row in lab.history("tills")] == ["undone"]
    kept = lab.rejects(receipt.cascades[1].load_id)
    assert kept[0]["payload"] == {"id": "100", "shop": "10", "label": "x"}
    assert (kept[0]["status"], kept[0]["column_name"]) == ("waiting", "shop")
    again = lab.rows("regions", 1)
    assert [(r.table, r.accepted) for r in again.releases] == [("shops", 1), ("tills", 1)]
    assert lab.mirror("tills") == [("100", "10", "x")]


def test_what_a_waiting_child_had_replaced_stands_again_if_its_parent_does(lab: Lab) -> None:
    lab.rows("shops", 1, 2)
    lab.rows("stalls", (5, 1, "old", MONDAY), (6, 2, "older", MONDAY))
    lab.rows("stalls", (5, 2, "new", TUESDAY), (6, 2, "newer", TUESDAY))
    receipt = lab.delete("shops", 2, cascade="wait")
    assert [c.waiting for c in receipt.cascades] == [3]
    assert lab.mirror("stalls") == [("5", "1", "old", "2024-01-01 00:00:00+00")]
    lab.rows("shops", 2)
    assert [row[2] for row in lab.mirror("stalls")] == ["new", "newer"]


def test_a_row_that_waited_when_its_key_was_deleted_does_not_revive_it(lab: Lab) -> None:
    lab.rows("tills", (100, 10, "waits"))
    assert lab.delete("tills", 100).accepted == 1
    lab.rows("shops", 10)
    assert lab.mirror("tills") == []
    assert [row[-1] for row in lab.history("tills")] == ["deleted", "older"]


def test_a_newer_row_that_waited_revives_the_key(lab: Lab) -> None:
    lab.rows("stalls", (5, None, "a", MONDAY), (5, 9, "c", WEDNESDAY))
    lab.delete("stalls", 5, valid_from=TUESDAY)
    assert lab.mirror("stalls") == []
    lab.rows("shops", 9)
    assert [row[2] for row in lab.mirror("stalls")] == ["c"]


def test_a_delete_takes_a_waiting_row_for_the_newest(lab: Lab) -> None:
    """Who states no moment means all that is known of the key."""
    lab.rows("stalls", (5, None, "a", MONDAY), (5, 9, "c", WEDNESDAY))
    lab.delete("stalls", 5)
    lab.rows("shops", 9)
    assert lab.mirror("stalls") == []


def test_a_delete_is_safe_to_retry(lab: Lab) -> None:
    lab.rows("notes", (1, "a"), (2, "b"))
    first = lab.delete("notes", 1, idempotency_key="k", content_hash="h")
    again = lab.delete("notes", 1, idempotency_key="k", content_hash="h")
    assert (again.load_id, again.repeated) == (first.load_id, True)
    with pytest.raises(KeyReused):
        lab.load("notes", '{"id": 1}', "ndjson", idempotency_key="k", content_hash="h")


def test_refused_deletes_are_not_replayed_as_rows(lab: Lab) -> None:
    receipt = lab.delete("regions", 1)
    reject_id = lab.rejects(receipt.load_id)[0]["reject_id"]
    assert lab.replay("regions", reject_id).received == 0
    assert lab.mirror("regions") == []


@pytest.mark.parametrize("format_", ["csv", "ndjson", "json", "parquet"])
def test_of_a_body_of_keys_only_the_key_must_be_there(lab: Lab, format_: str) -> None:
    """Whatever the format, and though the table's other columns may not be empty."""
    lab.rows("things", (1, "a", 5), (2, "b", 5))
    bodies = {"csv": "id\n2\n", "ndjson": '{"id": 2}', "json": '[{"id": 2}]', "parquet": parquet({"id": [2]})}
    assert counts(lab.load("things", bodies[format_], format_, op="delete")) == (1, 1, 0, 0, 0)
    assert [row[0] for row in lab.mirror("things")] == ["1"]
    with pytest.raises(LoadFailed, match="the column 'id' is missing"):
        lab.load("things", "name\nb\n", op="delete")
