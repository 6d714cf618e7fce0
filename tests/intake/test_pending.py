"""What lies between two rows that are equal: rows that do not count yet, and undos that meet replays."""

from __future__ import annotations

import pytest

from tests.intake.lab import Lab


def labels(lab: Lab, name: str = "tills") -> list[str | None]:
    return [row[2] for row in lab.mirror(name)]


def mended(lab: Lab, name: str, load_id: int | None, **values: str) -> int:
    """The first row kept of a load, with other values; its number."""
    reject = lab.rejects(load_id)[0]["reject_id"]
    pairs = ", ".join(f"'{column}', '{value}'" for column, value in values.items())
    lab.query_and_commit(
        f"update ledger.rejects set payload = payload || jsonb_build_object({pairs}) where reject_id = {reject}"
    )
    return int(reject)


@pytest.fixture
def shop(lab: Lab) -> Lab:
    lab.rows("shops", 1)
    return lab


def test_a_row_is_no_repeat_of_one_behind_which_another_waits(shop: Lab) -> None:
    shop.rows("tills", (5, 1, "A"))
    shop.rows("tills", (5, 9, "B"))
    assert shop.rows("tills", (5, 1, "A")).accepted == 1
    assert shop.rows("tills", (5, 1, "A")).duplicates == 1, "now nothing lies between"
    shop.rows("shops", 9)
    assert labels(shop) == ["A"]


def test_nor_in_one_load(shop: Lab) -> None:
    receipt = shop.rows("tills", (5, 1, "A"), (5, 9, "B"), (5, 1, "A"), (5, 1, "A"))
    assert (receipt.accepted, receipt.waiting, receipt.duplicates) == (2, 1, 1)
    shop.rows("shops", 9)
    assert labels(shop) == ["A"]


def test_nor_of_one_behind_which_another_was_refused(lab: Lab) -> None:
    lab.rows("things", (1, "A", 5))
    refused = lab.rows("things", (1, "B", 11))
    assert lab.rows("things", (1, "A", 5)).accepted == 1
    lab.replay("things", mended(lab, "things", refused.load_id, size="6"))
    assert [row[1] for row in lab.mirror("things")] == ["A"]


def test_nor_of_one_behind_which_a_line_could_not_be_read(lab: Lab) -> None:
    lab.rows("notes", (1, "A"))
    lab.load("notes", '{"id": 1, "word": "B", "price": "9"}', "ndjson")
    assert lab.rows("notes", (1, "A")).accepted == 1


def test_a_refused_row_of_another_key_or_of_none_stands_between_nothing(lab: Lab) -> None:
    lab.rows("things", (1, "A", 5), (2, "A", 5))
    lab.rows("things", (2, "B", 11), ("x", "B", 5))
    assert lab.rows("things", (1, "A", 5)).duplicates == 1


def test_a_row_that_came_before_what_stands_stands_between_nothing(shop: Lab) -> None:
    shop.rows("tills", (5, 9, "B"))
    shop.rows("tills", (5, 1, "A"))
    assert shop.rows("tills", (5, 1, "A")).duplicates == 1


def test_a_row_that_waits_is_no_repeat_of_one_behind_which_another_came(shop: Lab) -> None:
    shop.rows("tills", (5, 9, "A"))
    assert shop.rows("tills", (5, 9, "A")).duplicates == 1
    shop.rows("tills", (5, 1, "B"))
    assert shop.rows("tills", (5, 9, "A")).waiting == 1
    shop.rows("shops", 9)
    assert labels(shop) == ["A"]


def test_a_row_that_waits_is_no_repeat_of_one_that_was_deleted(shop: Lab) -> None:
    shop.rows("tills", (5, 9, "A"))
    shop.delete("tills", 5)
    assert shop.rows("tills", (5, 9, "A")).waiting == 1
    shop.rows("shops", 9)
    assert labels(shop) == ["A"]


def test_a_row_is_no_repeat_of_one_behind_which_another_waits_again(shop: Lab) -> None:
    shop.rows("shops", 9)
    shop.rows("tills", (5, 1, "A"))
    shop.rows("tills", (5, 9, "B"))
    shop.delete("shops", 9, cascade="wait")
    assert labels(shop) == ["A"]
    assert shop.rows("tills", (5, 1, "A")).accepted == 1
    shop.rows("shops", 9)
    assert labels(shop) == ["A"]


@pytest.mark.parametrize("waits", [False, True])
def test_a_row_is_no_repeat_of_one_behind_which_another_was_undone(shop: Lab, waits: bool) -> None:
    """For the undo may be undone."""
    shop.rows("tills", (5, 1, "A"))
    other = shop.rows("tills", (5, 9 if waits else 1, "B"))
    undone = shop.undo(other.load_id).receipt
    assert shop.rows("tills", (5, 1, "A")).accepted == 1
    shop.rows("shops", 9)
    shop.undo(undone.load_id)
    assert labels(shop) == ["A"]


def test_a_row_let_in_late_is_no_repeat_of_one_behind_which_another_waits(lab: Lab) -> None:
    lab.rows("shops", 1)
    first = lab.rows("tills", ("5x", 1, "A"))
    waits = lab.rows("tills", (5, 9, "B"))
    second = lab.rows("tills", ("5y", 1, "A"))
    both = [mended(lab, "tills", load.load_id, id="5") for load in (first, second)]
    assert lab.replay("tills", *both).accepted == 2
    lab.rows("shops", 9)
    assert labels(lab) == ["A"]
    assert waits.waiting == 1


def test_many_rows_again_of_which_a_few_are_unsettled(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loader.intake.landing.BULK", 1)
    lab.rows("shops", 1)
    lab.rows("tills", *((number, 1, "A") for number in range(20)))
    lab.rows("tills", (7, 9, "B"), (8, 1, "B"))
    lab.undo(lab.query("select max(load_id) from ledger.loads")[0][0])
    lab.rows("tills", (9, 9, "B"))
    again = lab.rows("tills", *((number, 1, "A") for number in range(20)))
    assert (again.accepted, again.duplicates) == (3, 17)


def test_of_two_deletes_of_a_key_the_second_is_refused_with_the_first(shop: Lab) -> None:
    shop.rows("tills", (5, 1, "A"))
    receipt = shop.delete("shops", 1, 1)
    assert (receipt.rejected, receipt.duplicates) == (2, 0)
    assert {kept["rule"] for kept in shop.rejects(receipt.load_id)} == {"has_children"}


def test_a_delete_is_no_repeat_of_one_behind_which_a_row_was_refused(shop: Lab) -> None:
    shop.rows("tills", (5, 1, "A"))
    shop.delete("tills", 5)
    assert shop.load("tills", '{"id": 5, "shop": 1, "label": "B", "more": "x"}', "ndjson").rejected == 1
    assert shop.delete("tills", 5).accepted == 1
    assert shop.delete("tills", 5).duplicates == 1


@pytest.mark.parametrize("bulk", [1, 5000])
def test_rows_of_a_load_refused_whole_that_say_the_same_stand_between_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, bulk: int
) -> None:
    """Else every row would be a new version when the file is sent again, mended."""
    monkeypatch.setattr("loader.intake.landing.BULK", bulk)
    lab.rows("things", (1, "A", 5), (2, "A", 5), (3, "A", None))
    lab.rows("things", (1, "A", 5), (2, "B", 5), (3, "A", "x"), on_reject="refuse")
    again = lab.rows("things", (1, "A", 5), (2, "A", 5), (3, "A", None))
    assert (again.accepted, again.duplicates) == (2, 1)
    lab.rows("tills", (5, 9, "A"))
    lab.rows("tills", (5, 9, "A"), (6, 9, "A"), on_reject="refuse")
    assert (waits := lab.rows("tills", (5, 9, "A"))).duplicates == 1, waits
    assert lab.rows("tills", (6, 9, "A")).waiting == 1, "the first of it was refused"


def dismiss_all(lab: Lab) -> None:
    lab.query_and_commit(
        "update ledger.rejects set status = 'dismissed', dismissed_at = now(), dismissed_by = 'x', "
        "dismissed_why = 'y' where status in ('waiting', 'rejected')"
    )


def test_what_was_dismissed_for_good_stands_between_nothing(shop: Lab) -> None:
    shop.rows("shops", 9)
    shop.rows("tills", (5, 1, "A"), (6, 1, "A"))
    shop.rows("tills", (5, 9, "B"))
    shop.delete("shops", 9, cascade="wait")  # B had stood
    shop.rows("tills", (6, 9, "B"))
    dismiss_all(shop)
    assert shop.rows("tills", (5, 1, "A"), (6, 1, "A")).duplicates == 2


def test_nor_does_what_an_undo_took_away_that_does_not_stand(lab: Lab) -> None:
    lab.rows("things", (1, "Z", 1), (2, "other", 1))
    load, replay = refused_and_replayed(lab)
    load_undone = lab.undo(load).receipt.load_id
    lab.undo(replay)
    lab.undo(load_undone)
    assert names(lab) == ["Z", "other"]
    dismiss_all(lab)
    assert lab.rows("things", (1, "Z", 1)).duplicates == 1


def test_a_delete_that_was_refused_stands_between_nothing(shop: Lab) -> None:
    shop.rows("regions", 3)
    shop.rows("shops", (2, 3))
    shop.rows("tills", (5, 2, "A"))
    assert shop.delete("shops", 2).rejected == 1
    assert shop.rows("shops", (2, 3)).duplicates == 1


def test_a_row_is_no_repeat_of_one_behind_which_a_delete_was_undone(lab: Lab) -> None:
    lab.rows("regions", 1)
    undone = lab.undo(lab.delete("regions", 1).load_id).receipt
    assert lab.rows("regions", 1).accepted == 1
    lab.undo(undone.load_id)
    assert lab.mirror("regions") == [("1",)]


# -- undo and replay -----------------------------------------------------------


def refused_and_replayed(lab: Lab) -> tuple[int | None, int | None]:
    """The load of a row that was refused, and the replay that let it in, mended."""
    refused = lab.rows("things", (1, "A", 11), (2, "other", 1))
    return refused.load_id, lab.replay("things", mended(lab, "things", refused.load_id, size="6")).load_id


def names(lab: Lab) -> list[str | None]:
    return [row[1] for row in lab.mirror("things")]


def test_a_row_replayed_again_does_not_stand_twice_when_the_first_undo_is_undone(lab: Lab) -> None:
    _, replay = refused_and_replayed(lab)
    undone = lab.undo(replay).receipt
    second = lab.replay("things", lab.rejects(undone.load_id)[0]["reject_id"])
    back = lab.undo(undone.load_id).receipt
    assert (back.received, names(lab)) == (0, ["A", "other"])
    lab.undo(back.load_id)
    assert names(lab) == ["A", "other"], "the later replay's row stays"
    lab.undo(second.load_id)
    assert names(lab) == ["other"]
    lab.audit()


def test_of_an_undone_load_nothing_stands_when_the_undo_of_its_replay_is_undone(lab: Lab) -> None:
    load, replay = refused_and_replayed(lab)
    replay_undone = lab.undo(replay).receipt.load_id
    load_undone = lab.undo(load).receipt.load_id
    lab.undo(replay_undone)
    assert names(lab) == []
    lab.undo(load_undone)
    assert names(lab) == ["A", "other"]
    lab.audit()


def test_of_an_undone_replay_nothing_stands_when_the_undo_of_the_load_is_undone(lab: Lab) -> None:
    load, replay = refused_and_replayed(lab)
    load_undone = lab.undo(load).receipt.load_id
    lab.undo(replay)
    back = lab.undo(load_undone).receipt
    assert names(lab) == ["other"]
    kept = lab.rejects(back.load_id)
    assert [(k["status"], k["rule"], k["message"]) for k in kept] == [
        ("rejected", "undone", f"was let in by load {replay}, which was undone")
    ]
    assert lab.replay("things", kept[0]["reject_id"]).accepted == 1
    lab.audit()


def test_what_an_undone_replay_kept_stays_kept_when_its_load_comes_back(lab: Lab) -> None:
    load, replay = refused_and_replayed(lab)
    kept = lab.undo(replay).receipt.load_id
    load_undone = lab.undo(load).receipt.load_id
    lab.undo(load_undone)
    assert names(lab) == ["other"]
    assert [k["status"] for k in lab.rejects(kept)] == ["rejected"]
    lab.undo(kept)
    assert names(lab) == ["A", "other"]
    lab.audit()


@pytest.mark.parametrize("released", [False, True])
def test_rows_of_a_replay_that_waited_are_kept_again_too(lab: Lab, released: bool) -> None:
    refused = lab.rows("tills", ("5x", 9, "A"))
    replay = lab.replay("tills", mended(lab, "tills", refused.load_id, id="5"))
    assert replay.waiting == 1
    if released:
        lab.rows("shops", 9)
    undone = lab.undo(replay.load_id).receipt
    assert (undone.received, undone.accepted, undone.rejected) == (1, 0, 1)
    assert [k["status"] for k in lab.rejects(undone.load_id)] == ["rejected"]
    if not released:
        lab.rows("shops", 9)
    assert labels(lab) == []
    back = lab.undo(undone.load_id).receipt
    assert labels(lab) == ["A"]
    lab.audit()
    lab.undo(back.load_id)
    assert labels(lab) == []
    lab.audit()


def test_what_was_replayed_again_and_waits_does_not_wait_twice(lab: Lab) -> None:
    refused = lab.rows("tills", ("5x", 9, "A"))
    replay = lab.replay("tills", mended(lab, "tills", refused.load_id, id="5"))
    undone = lab.undo(replay.load_id).receipt
    assert lab.replay("tills", lab.rejects(undone.load_id)[0]["reject_id"]).waiting == 1
    lab.undo(undone.load_id)
    lab.audit()


def test_what_an_undo_of_an_undo_judged_again_is_undone_with_that(lab: Lab) -> None:
    waits = lab.rows("tills", (5, 9, "A"))
    undone = lab.undo(waits.load_id).receipt
    lab.rows("shops", 9)
    back = lab.undo(undone.load_id).receipt
    assert labels(lab) == ["A"]
    with pytest.raises(Exception, match=f"load {back.load_id} brought back"):
        lab.undo(back.releases[0].load_id)
    lab.undo(back.load_id)
    assert labels(lab) == []
