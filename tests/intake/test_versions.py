"""Versions of a key: by valid_from where there is one, else by where they first arrived."""

from __future__ import annotations

from tests.intake.lab import Lab

MONDAY, TUESDAY, WEDNESDAY = (f"2024-01-0{day}T00:00:00Z" for day in (1, 2, 3))


def current(lab: Lab, name: str = "orders") -> list[str]:
    return [row[1] for row in lab.mirror(name)]


def past(lab: Lab, name: str = "orders") -> list[tuple[str, str]]:
    return [(row[1], row[-1]) for row in lab.history(name)]


def test_a_later_version_replaces_the_current_one(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY))
    assert lab.rows("orders", (1, "b", TUESDAY)).accepted == 1
    assert (current(lab), past(lab)) == (["b"], [("a", "replaced")])


def test_an_older_version_that_comes_late_goes_to_the_history(lab: Lab) -> None:
    lab.rows("orders", (1, "b", TUESDAY))
    assert lab.rows("orders", (1, "a", MONDAY)).accepted == 1
    assert (current(lab), past(lab)) == (["b"], [("a", "older")])


def test_the_history_says_which_load_brought_a_version_and_which_wrote_the_entry(lab: Lab) -> None:
    lab.rows("orders", (1, "a", TUESDAY))
    lab.rows("orders", (1, "b", WEDNESDAY))
    lab.rows("orders", (1, "c", MONDAY))
    entries = lab.query("select note, _load_id, _written_load_id from staging_lab.orders__history order by note")
    assert entries == [("a", 1, 2), ("c", 3, 3)]


def test_of_two_versions_at_one_moment_the_later_arrival_is_current(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY))
    lab.rows("orders", (1, "b", MONDAY))
    lab.rows("orders", (1, "d", MONDAY), (1, "c", MONDAY))
    assert (current(lab), past(lab)) == (["c"], [("a", "replaced"), ("b", "replaced"), ("d", "replaced")])


def test_two_rows_of_one_load_are_two_versions_whatever_their_order(lab: Lab) -> None:
    receipt = lab.rows("orders", (1, "b", TUESDAY), (1, "a", MONDAY), (1, "c", WEDNESDAY))
    assert receipt.accepted == 3
    assert (current(lab), past(lab)) == (["c"], [("b", "replaced"), ("a", "older")])


def test_one_moment_in_two_zones_is_one_moment(lab: Lab) -> None:
    lab.rows("orders", (1, "a", "2024-01-01T12:00:00+02:00"))
    lab.rows("orders", (1, "b", "2024-01-01T10:30:00Z"))
    assert current(lab) == ["b"]
    assert lab.rows("orders", (1, "a", "2024-01-01T10:00:00Z")).duplicates == 1


def test_a_row_equal_to_the_current_version_is_a_duplicate(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY))
    receipt = lab.rows("orders", (1, "a", MONDAY), (1, "a", MONDAY))
    assert (receipt.accepted, receipt.duplicates) == (0, 2)
    assert past(lab) == []


def test_a_row_equal_to_a_version_in_the_history_is_a_duplicate(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY))
    lab.rows("orders", (1, "b", TUESDAY))
    receipt = lab.rows("orders", (1, "a", MONDAY), (1, None, MONDAY))
    assert (receipt.accepted, receipt.duplicates) == (1, 1)
    assert (current(lab), past(lab)) == (["b"], [("a", "replaced"), (None, "older")])


def test_null_equals_null_when_rows_are_compared(lab: Lab) -> None:
    lab.rows("orders", (1, None, MONDAY))
    assert lab.rows("orders", (1, None, MONDAY)).duplicates == 1
    assert lab.rows("orders", (1, "", MONDAY)).accepted == 1


def test_a_repeat_within_one_load_is_a_duplicate(lab: Lab) -> None:
    receipt = lab.rows("orders", (1, "a", MONDAY), (2, "x", MONDAY), (1, "a", MONDAY))
    assert (receipt.accepted, receipt.duplicates) == (2, 1)
    assert lab.query("select _row from staging_lab.orders order by 1") == [(1,), (2,)]


def test_without_valid_from_the_last_to_arrive_is_current(lab: Lab) -> None:
    lab.rows("notes", (1, "a"))
    lab.rows("notes", (1, "c"), (1, "b"))
    assert (current(lab, "notes"), past(lab, "notes")) == (["b"], [("a", "replaced"), ("c", "replaced")])


def test_without_valid_from_coming_back_to_an_old_value_is_a_new_version(lab: Lab) -> None:
    for word in "aba":
        assert lab.rows("notes", (1, word)).accepted == 1
    assert (current(lab, "notes"), past(lab, "notes")) == (["a"], [("a", "replaced"), ("b", "replaced")])
    assert lab.rows("notes", (1, "a")).duplicates == 1


def test_without_valid_from_there_and_back_in_one_load_is_three_versions(lab: Lab) -> None:
    receipt = lab.rows("notes", (1, "a"), (1, "b"), (1, "b"), (1, "a"))
    assert (receipt.accepted, receipt.duplicates) == (3, 1)
    assert (current(lab, "notes"), past(lab, "notes")) == (["a"], [("a", "replaced"), ("b", "replaced")])


def test_a_row_spelled_oddly_keeps_its_place_among_plain_ones(lab: Lab) -> None:
    """`+1` takes the slower way through the door than `1`; the order is the rows' all the same."""
    lab.load("notes", "id,word\n+1,first\n1,second\n2,first\n+2,second\n")
    assert current(lab, "notes") == ["second", "second"]


def test_a_refused_version_does_not_replace_anything(lab: Lab) -> None:
    lab.rows("orders", (1, "a", MONDAY))
    assert lab.rows("orders", (1, "b", "yesterday")).rejected == 1
    assert (current(lab), past(lab)) == (["a"], [])


def test_many_rows_at_once_get_the_same_verdicts_as_a_few(lab: Lab) -> None:
    """Beyond some thousands the database is asked in another way."""
    lab.rows("orders", *((key, "a", TUESDAY) for key in range(100)))
    count = 6000
    rows = [(key, "b" if key % 3 else "a", MONDAY if key % 2 else TUESDAY) for key in range(count)]
    receipt = lab.rows("orders", *rows)
    repeated = sum(1 for key, note, moment in rows if key < 100 and (note, moment) == ("a", TUESDAY))
    assert (receipt.received, receipt.duplicates, receipt.accepted) == (count, repeated, count - repeated)
    older = sum(1 for key, _, moment in rows if key < 100 and moment == MONDAY)
    assert [reason for *_, reason in lab.history("orders")].count("older") == older
