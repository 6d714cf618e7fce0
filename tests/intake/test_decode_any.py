"""Whatever bytes come: the load fails and leaves only its entry, or every row given is accounted for."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loader.intake import load as intake
from loader.intake.decode import csv as csv_decoder
from tests.intake.conftest import empty
from tests.intake.lab import Lab, parquet

SEEDED = settings(
    derandomize=True, deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SNIPPETS = [
    b"id", b"word", b"1", b"-2", b"+3", b"x", b"", b'"', b'""', b",", b";", b"\t", b"\n", b"\r\n", b"\r", b"\0",
    b"\xff", b"\xef\xbb\xbf", b"\\N", b"\\.", b"'", b"{", b"}", b"[", b"]", b":", b"null", b"true",
    b"1e400", b"0.10", b"\\u0000", b"\\ud800", b'"id"', b'"word"', b'{"id":1}', b"\xc3\xa9", "日🎈".encode(), b"PAR1",
    b"%s", b"{0}", b" ",
]  # fmt: skip
NOISE = st.lists(st.sampled_from(SNIPPETS), max_size=25).map(b"".join)
HEADED = NOISE.map(lambda rest: b"id,word\n" + rest)
LINES = st.lists(NOISE.map(lambda inside: b'{"id":1,"word":"' + inside + b'"}'), max_size=4).map(b"\n".join)
WORDS = st.one_of(
    st.none(), st.text(max_size=6), st.sampled_from(["", '"', "\\.", "\\N", "\n", "\r", "a\0", "NULL", "'", " "])
)
ROWS = st.lists(st.tuples(st.one_of(st.integers(-3, 3).map(str), WORDS), WORDS), max_size=8)


def outcome(lab: Lab, format_: str, body: bytes) -> Any:
    """The receipt, or None for a load that failed; neither may leave anything unexplained."""
    empty(lab.engine)
    before = lab.counts()
    failure: intake.LoadFailed | None = None
    try:
        receipt = lab.load("notes", body, format_)
    except intake.LoadFailed as failed:
        failure = failed
    if failure is not None:
        assert failure.is_body, failure.message
        assert lab.counts() == before | {"ledger.loads": 1}
        assert lab.query("select status, received from ledger.loads") == [("failed", 0)]
        return None
    assert receipt.received == receipt.accepted + receipt.waiting + receipt.rejected + receipt.duplicates
    assert len(lab.mirror("notes")) + len(lab.history("notes")) == receipt.accepted
    assert lab.counts()["ledger.rejects"] == receipt.rejected
    lab.audit()
    return receipt


# Arrow shows a row to its handler as text only, and complains aside when it is none
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("format_", ["csv", "ndjson", "json"])
@SEEDED
@given(body=st.one_of(NOISE, HEADED, LINES))
@example(body=b"id,word\n1,\xff,\n2,a\n")
@example(body=b'id,word\n1,"a')
@example(body=b'{"id": ' + b"[" * 600 + b"]" * 600 + b"}")
def test_any_bytes_either_fail_whole_or_are_accounted_for(lab: Lab, format_: str, body: bytes) -> None:
    outcome(lab, format_, body)


@SEEDED
@given(rows=ROWS, lines=st.sampled_from(["\n", "\r\n"]), delimiter=st.sampled_from(",;\t"))
def test_every_row_of_a_csv_is_received(lab: Lab, rows: list[Any], lines: str, delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=lines, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "word"])
    writer.writerows(rows)
    receipt = outcome(lab, "csv", out.getvalue().encode("utf-8"))
    assert receipt is not None
    assert receipt.received == len(rows)


@SEEDED
@given(rows=ROWS)
def test_every_row_of_a_json_body_is_received_as_it_is(lab: Lab, rows: list[Any]) -> None:
    records = [{"id": key, "word": word} for key, word in rows]
    receipts = [
        outcome(lab, "json", json.dumps(records).encode()),
        outcome(lab, "ndjson", "\n".join(json.dumps(record) for record in records).encode()),
    ]
    assert [receipt.received for receipt in receipts] == [len(rows)] * 2
    assert replace(receipts[0], format=None) == replace(receipts[1], format=None)
    kept = lab.query("select payload from ledger.rejects order by row")
    words = {word for (payload,) in kept for word in [payload["word"]]} | {word for _, word in lab.mirror("notes")}
    words |= {row[1] for row in lab.history("notes")}
    shown = {word if word is None else word.replace("\0", "␀") for _, word in rows}
    assert words == shown


@SEEDED
@given(rows=ROWS)
def test_every_row_of_a_parquet_file_is_received(lab: Lab, rows: list[Any]) -> None:
    columns = {"id": [row[0] for row in rows], "word": [row[1] for row in rows]}
    body = parquet(pa.table(columns, pa.schema([("id", pa.string()), ("word", pa.string())])))
    receipt = outcome(lab, "parquet", body)
    assert receipt is not None
    assert receipt.received == len(rows)


WHOLE = {
    has_dictionary: parquet({"id": [*range(20)], "word": ["x" * 10, "y"] * 10}, use_dictionary=has_dictionary)
    for has_dictionary in (False, True)
}


@pytest.mark.parametrize("has_dictionary", [False, True])
@settings(SEEDED, max_examples=80)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_parquet_file_fails_whole_or_is_accounted_for(
    lab: Lab, has_dictionary: bool, changes: list[tuple[float, int]]
) -> None:
    body = bytearray(WHOLE[has_dictionary])
    for share, byte in changes:
        body[int(share * len(body))] = byte
    outcome(lab, "parquet", bytes(body))


def test_a_csv_in_small_pieces_is_the_same_load(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ["{0},w", "{0}", '{0},"a\nb"', "{0},a,b", "x{0},a", "1,w"]
    body = "id,word\n" + "\n".join(kinds[number % 6].format(number) for number in range(200))
    whole = outcome(lab, "csv", body.encode())
    assert (whole.received, whole.accepted, whole.rejected, whole.duplicates) == (200, 68, 100, 32)
    kept = lab.mirror("notes"), lab.query("select row, rule, payload from ledger.rejects order by row")
    monkeypatch.setattr(csv_decoder, "_BLOCK", 48)
    assert outcome(lab, "csv", body.encode()) == whole
    assert (lab.mirror("notes"), lab.query("select row, rule, payload from ledger.rejects order by row")) == kept
