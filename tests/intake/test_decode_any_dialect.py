"""Any table of texts, written in any dialect, encoding or format, is read as the same texts; any bytes are
read, or refused by the one failure that there is for it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import warnings
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st

from loader.intake.decode import DECODERS, ReadFailure, Said, open_body
from tests.intake.lab import CONTRACT, parquet, read
from tests.intake.sheets import workbook, zipped

NOTES = CONTRACT.table("lab", "notes")
SHORT = settings(derandomize=True, deadline=None, max_examples=60, database=None)
LONG = settings(deadline=None, max_examples=5000, database=None, print_blob=True)

#: No NUL (Postgres keeps none), no half surrogate pair (no text has one).
SIGNS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
WORDS = st.one_of(
    st.text(SIGNS, max_size=8),
    st.sampled_from(
        [
            "",
            '"',
            '""',
            "'",
            ",",
            ";",
            "\t",
            "|",
            "\n",
            "\r",
            "\r\n",
            "\\N",
            "\\.",
            " ",
            "NULL",
            "=1",
            "é€",
            "日🎈",
            "1,5",
            "1.5",
            "\ufeff",
            "sep=;",
        ]
    ),
)
TABLE = st.lists(st.tuples(WORDS, WORDS), max_size=6)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252", "shift_jis", "gb18030")


def texts(format_: str, body: bytes, **said: str) -> list[tuple[str | None, str | None]]:
    rows, aside, _ = read(format_, body, **said)
    assert aside == []
    assert [row["_row"] for row in rows] == [*range(1, len(rows) + 1)]
    return [(row["id"], row["word"]) for row in rows]


def check_csv(rows: list[tuple[str, str]], separator: str, quote: str, lines: str, encoding: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, quotechar=quote, lineterminator=lines, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "word"])
    writer.writerows(rows)
    python = "cp932" if encoding == "shift_jis" else encoding
    try:
        body = out.getvalue().encode(python)
        if body.decode(python) != out.getvalue():
            return
    except UnicodeError:
        return  # an encoding that does not have these signs
    said = {} if encoding.startswith("utf") else {"encoding": encoding}
    assert texts("csv", body, **said) == rows
    assert texts("csv.gz", gzip.compress(body, 1), **said) == rows


csv_tables = given(
    rows=TABLE,
    separator=st.sampled_from(",;\t|"),
    quote=st.sampled_from("\"'"),
    lines=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(ENCODINGS),
)


@SHORT
@csv_tables
def test_any_csv_is_read_as_it_was_written(
    rows: list[tuple[str, str]], separator: str, quote: str, lines: str, encoding: str
) -> None:
    check_csv(rows, separator, quote, lines, encoding)


@pytest.mark.deep
@LONG
@csv_tables
def test_any_csv_is_read_as_it_was_written_at_length(
    rows: list[tuple[str, str]], separator: str, quote: str, lines: str, encoding: str
) -> None:
    check_csv(rows, separator, quote, lines, encoding)


def check_formats(rows: list[tuple[str, str]]) -> None:
    records = [{"id": key, "word": word} for key, word in rows]
    assert texts("json", json.dumps(records, ensure_ascii=False).encode()) == rows
    assert texts("json", json.dumps(records, indent=1).encode("utf-16")) == rows
    assert texts("ndjson", b"".join(json.dumps(record).encode() + b"\r\n" for record in records)) == rows
    columns = {"id": [row[0] for row in rows], "word": [row[1] for row in rows]}
    assert texts("parquet", parquet(pa.table(columns, pa.schema([("id", pa.string()), ("word", pa.string())])))) == rows
    assert texts("zip", zipped({"rows.json": json.dumps(records)})) == rows


@SHORT
@given(rows=TABLE)
def test_any_table_is_the_same_in_every_format(rows: list[tuple[str, str]]) -> None:
    check_formats(rows)


@pytest.mark.deep
@LONG
@given(rows=TABLE)
def test_any_table_is_the_same_in_every_format_at_length(rows: list[tuple[str, str]]) -> None:
    check_formats(rows)


#: XML has neither the control characters nor the two signs that are none.
CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8)


def check_sheet(rows: list[tuple[str, str]]) -> None:
    body = workbook(("s", [("id", "word"), *rows]))
    # an empty text is an empty cell, and an empty row is none
    expected = [(key or None, word or None) for key, word in rows if key or word]
    assert texts("xlsx", body) == expected


@settings(SHORT, max_examples=30)
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=6))
@example(rows=[("_x0041_", " a "), ("\u2028", "\x85")])
def test_any_sheet_is_read_as_it_was_written(rows: list[tuple[str, str]]) -> None:
    check_sheet(rows)


@pytest.mark.deep
@settings(LONG, max_examples=1000)
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=6))
def test_any_sheet_is_read_as_it_was_written_at_length(rows: list[tuple[str, str]]) -> None:
    check_sheet(rows)


# -- damage ------------------------------------------------------------------

RECORDS = [{"id": n, "word": f"wörd {n}"} for n in range(40)]
_CSV = "id;word\r\n" + "".join(f'{row["id"]};"{row["word"]}"\r\n' for row in RECORDS)
SOUND: dict[str, bytes] = {
    "csv": _CSV.encode(),
    "csv.gz": gzip.compress(_CSV.encode(), mtime=0),
    "ndjson": b"\n".join(json.dumps(record).encode() for record in RECORDS),
    "json": json.dumps(RECORDS).encode("utf-16"),
    "parquet": parquet({"id": [row["id"] for row in RECORDS], "word": [row["word"] for row in RECORDS]}),
    "xlsx": workbook(("s", [["id", "word"], *([row["id"], row["word"]] for row in RECORDS)])),
    "zip": zipped({"rows.csv": _CSV}),
}
NOISE = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            [
                b"id",
                b"word",
                b",",
                b";",
                b"\n",
                b'"',
                b"'",
                b"1,5",
                b"\0",
                b"\xff",
                b"\xfe",
                b"PK\x05\x06",
                b"\x1f\x8b",
                b"{",
                b"}",
                b"[",
                b"]",
                b":",
                b'"id"',
                b"PAR1",
                b"sep=;",
                b"\xef\xbb\xbf",
                b"1",
                b"e9",
                b"\xd8\x00",
            ]
        ),
        max_size=30,
    ).map(b"".join),
)
SAID = st.builds(
    Said,
    separator=st.sampled_from([None, ",", "\t"]),
    quote=st.sampled_from([None, "'"]),
    decimal=st.sampled_from([None, ",", "."]),
    encoding=st.sampled_from([None, "utf-8", "utf-16", "windows-1252", "gb18030"]),
    sheet=st.sampled_from([None, "s", "2"]),
)
DAMAGE = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4)


def survives(format_: str, body: bytes, said: Any) -> None:
    """Rows, or the one failure."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for batch in open_body(io.BytesIO(body), NOTES, format_, said):
                batch.rows.validate(full=True)
    except ReadFailure:
        return


def damaged(body: bytes, share: float, changes: list[tuple[float, int]]) -> bytes:
    """A body cut off at a share of its length, with some bytes changed."""
    out = bytearray(body[: int(share * len(body)) + 1])
    for place, byte in changes:
        out[int(place * len(out))] = byte
    return bytes(out)


FORMATS = [*DECODERS, "csv.gz", "zip"]
# Arrow shows a row to its handler as text only, and complains aside when it is none
unraisable = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@unraisable
@pytest.mark.parametrize("format_", FORMATS)
@SHORT
@given(body=NOISE, said=SAID)
def test_any_bytes_are_read_or_refused(format_: str, body: bytes, said: Said) -> None:
    survives(format_, body, said)
    survives(format_, gzip.compress(body, 1) if format_.endswith(".gz") else body, said)


@unraisable
@pytest.mark.deep
@pytest.mark.parametrize("format_", FORMATS)
@LONG
@given(body=NOISE, said=SAID)
def test_any_bytes_are_read_or_refused_at_length(format_: str, body: bytes, said: Said) -> None:
    survives(format_, body, said)


@unraisable
@pytest.mark.parametrize("format_", SOUND)
@seed(20261125)
@SHORT
@given(share=st.floats(0, 1), changes=DAMAGE, said=SAID)
def test_a_damaged_body_is_read_or_refused(
    format_: str, share: float, changes: list[tuple[float, int]], said: Said
) -> None:
    survives(format_, damaged(SOUND[format_], share, changes), said)
    survives(format_, damaged(SOUND[format_], 1.0, changes), said)


@unraisable
@pytest.mark.deep
@pytest.mark.parametrize("format_", SOUND)
@LONG
@given(share=st.floats(0, 1), changes=DAMAGE, said=SAID)
def test_a_damaged_body_is_read_or_refused_at_length(
    format_: str, share: float, changes: list[tuple[float, int]], said: Said
) -> None:
    survives(format_, damaged(SOUND[format_], share, changes), said)


PLAIN = [name for name in SOUND if name not in ("csv", "ndjson")]


@pytest.mark.parametrize("format_", PLAIN)
def test_a_body_cut_off_anywhere_is_refused(format_: str) -> None:
    """A format that has an end of its own can't lose rows in silence."""
    body = SOUND[format_]
    for length in range(0, len(body) - 2, max(1, len(body) // 60)):
        with pytest.raises(ReadFailure):
            read(format_, body[:length])
