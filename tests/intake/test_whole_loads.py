"""Loads taken or left whole: refuse mode, dry runs, and bodies that can't be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loader.intake import load as intake
from tests.intake.lab import THINGS, Lab, rule

Rows = tuple[tuple[Any, ...], ...]
#: (table, what stands before, what comes): every kind of verdict.
CASES: dict[str, tuple[str, Rows, Rows]] = {
    "good": ("orders", (), ((1, "a", "2024-01-01T00:00:00Z"),)),
    "refused": ("orders", (), ((1, "a", "2024-01-01T00:00:00Z"), (2, "b", "today"), ("x", "c"))),
    "waiting": ("shops", (), ((1, None), (2, 9), (2, 9))),
    "versions": ("notes", ((1, "a"),), ((1, "b"), (1, "b"), (2, "c"), (1, "a"))),
    "events": ("events", ((1, "a"),), ((1, "b"), (1, "a"), (2, "c"))),
    "unique": ("seats", ((1, 7), (2, 8)), ((3, 7), (1, 8), (4, 9))),
    "itself": ("staff", ((1, 1, 1, None),), ((2, 1, 2, None), (3, 3, 3, 2), (4, 4, 4, 1))),
}


@pytest.mark.parametrize("case", CASES)
def test_a_dry_run_says_what_a_real_one_would_do_and_changes_nothing(lab: Lab, case: str) -> None:
    name, before, rows = CASES[case]
    if before:
        lab.rows(name, *before)
    stood = lab.counts(), lab.mirror(name), lab.history(name)
    dry = lab.rows(name, *rows, dry_run=True)
    assert (lab.counts(), lab.mirror(name), lab.history(name)) == stood
    assert (dry.load_id, dry.status) == (None, "dry_run")
    assert dry == lab.rows(name, *rows).as_dry_run()
    assert sum(reason.rows for reason in dry.reasons) == dry.rejected + dry.waiting


def test_a_dry_run_lets_no_waiting_row_in_and_says_how_many_would_come(lab: Lab) -> None:
    lab.rows("shops", (1, 10))
    dry = lab.rows("regions", 10, dry_run=True)
    assert dry.accepted == 1
    assert [(r.load_id, r.status, r.table, r.accepted) for r in dry.releases] == [(None, "dry_run", "shops", 1)]
    assert lab.mirror("shops") == []
    assert lab.query("select status from ledger.rejects") == [("waiting",)]


def test_a_dry_run_does_not_use_up_an_idempotency_key(lab: Lab) -> None:
    lab.rows("notes", (1, "a"), dry_run=True, idempotency_key="k", content_hash="h")
    assert not lab.rows("notes", (1, "a"), idempotency_key="k", content_hash="h").repeated


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("good", "versions")])
def test_with_refuse_one_bad_row_refuses_all(lab: Lab, case: str) -> None:
    name, before, rows = CASES[case]
    if before:
        lab.rows(name, *before)
    stood = lab.mirror(name), lab.history(name)
    found = {reject.row: reject.faults for reject in lab.rows(name, *rows, dry_run=True).rejects}
    receipt = lab.rows(name, *rows, on_reject="refuse")
    assert receipt.status == "refused"
    assert not receipt.clean
    assert (receipt.received, receipt.rejected) == (len(rows), len(rows))
    assert (receipt.accepted, receipt.waiting, receipt.duplicates, receipt.warnings) == (0, 0, 0, ())
    assert (lab.mirror(name), lab.history(name)) == stood
    kept = lab.rejects(receipt.load_id)
    assert {row["status"] for row in kept} == {"rejected"}
    for row in kept:
        if row["row"] in found:
            assert tuple(row["faults"]) == found[row["row"]]
        else:
            assert (row["rule"], row["column_name"]) == ("load_refused", None)
    assert {row["rule"] for row in kept} > {"load_refused"}
    assert len(kept) == len(rows)


@pytest.mark.parametrize("case", ["good", "versions"])
def test_with_refuse_a_load_without_rejects_comes_in(lab: Lab, case: str) -> None:
    name, before, rows = CASES[case]
    lab.rows(name, *before) if before else None
    receipt = lab.rows(name, *rows, on_reject="refuse")
    assert receipt.status == "succeeded"
    assert receipt.clean


def test_with_refuse_a_row_that_no_column_can_hold_refuses_all(lab: Lab) -> None:
    receipt = lab.load("notes", "id,word\n1,a\n2\n3,c\n", on_reject="refuse")
    assert (receipt.status, receipt.rejected) == ("refused", 3)
    assert [reject.rule for reject in receipt.rejects] == ["load_refused", "too_few_fields", "load_refused"]
    assert lab.mirror("notes") == []


def test_a_refused_load_lets_no_waiting_row_in(lab: Lab) -> None:
    lab.rows("shops", (1, 10))
    receipt = lab.rows("regions", 10, "x", on_reject="refuse")
    assert receipt.releases == ()
    assert lab.query("select status from ledger.rejects where table_name = 'shops'") == [("waiting",)]


def test_many_rows_refused_whole_are_all_kept(lab: Lab) -> None:
    receipt = lab.rows("notes", *((key, "a") for key in range(5999)), ("x", "a"), on_reject="refuse")
    assert (receipt.rejected, len(receipt.rejects)) == (6000, 100)
    assert lab.counts()["ledger.rejects"] == 6000


BROKEN = [
    ("csv", 'id,word\n1,a\n2,"b\n'),
    ("csv", ""),
    ("csv", "id,wrd\n1,a\n"),
    ("json", '[{"id": 1}, {"id":'),
    ("parquet", "PAR1"),
]


@pytest.mark.parametrize(("format_", "body"), BROKEN)
def test_a_body_that_cannot_be_read_leaves_only_its_entry(lab: Lab, format_: str, body: str) -> None:
    before = lab.counts()
    with pytest.raises(intake.LoadFailed) as caught:
        lab.load("notes", body, format_)
    assert caught.value.is_body
    assert "COPY" not in caught.value.message, "the reader's own words, not the database's"
    assert lab.counts() == before | {"ledger.loads": 1}
    [entry] = lab.query("select load_id, status, received, message, seq from ledger.loads")
    assert entry == (caught.value.load_id, "failed", 0, caught.value.message, None)


@pytest.mark.parametrize(("format_", "body"), BROKEN)
def test_a_dry_run_of_such_a_body_leaves_nothing(lab: Lab, format_: str, body: str) -> None:
    with pytest.raises(intake.LoadFailed) as caught:
        lab.load("notes", body, format_, dry_run=True)
    assert caught.value.load_id is None
    assert lab.counts()["ledger.loads"] == 0


def test_a_rule_that_the_database_cannot_evaluate_ends_the_load_and_says_so(lab: Lab) -> None:
    broken = rule("odd", "size", '1 / ("size" - 5) >= 0', "divides")
    changed = lab.with_table(replace(THINGS, row_rules=(broken,)))
    with pytest.raises(intake.LoadFailed, match="division by zero") as caught:
        changed.rows("things", (1, "a", 5))
    assert not caught.value.is_body
    assert lab.mirror("things") == []
