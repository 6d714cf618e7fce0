"""CSV: what is read as it stands, what is set aside with its number, and what can't be read at all."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import replace
from io import BytesIO

import pytest

from loader.intake.decode import ReadFailure
from loader.intake.decode import csv as csv_decoder
from loader.intake.decode.csv import CsvDecoder
from tests.intake.lab import CONTRACT, Lab, decode, values

HEADER = "id,word\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("id,word\n1,a\n", [(1, "1", "a")]),
        ("id,word\n1,a", [(1, "1", "a")]),
        ("\ufeffid,word\n1,a\n", [(1, "1", "a")]),
        ('\ufeff"id","word"\n1,a\n', [(1, "1", "a")]),
        ("id,word\r\n1,a\r\n2,b\r\n", [(1, "1", "a"), (2, "2", "b")]),
        ("id,word\r1,a\r2,b\r", [(1, "1", "a"), (2, "2", "b")]),
        ("word,id\na,1\n", [(1, "a", "1")]),
        ("id\n1\n2\n", [(1, "1"), (2, "2")]),
        ("id;word\n1;a,b\n", [(1, "1", "a,b")]),
        ("id\tword\n1\ta,b;c\n", [(1, "1", "a,b;c")]),
        ("id|word\n1|a\n", [(1, "1", "a")]),
        (HEADER + '1,"a ""b"", c"\n', [(1, "1", 'a "b", c')]),
        (HEADER + '1,"a\nb"\n2,"c\r\nd"\n', [(1, "1", "a\nb"), (2, "2", "c\r\nd")]),
        (HEADER + '1,\n2,""\n3," "\n', [(1, "1", None), (2, "2", ""), (3, "3", " ")]),
        (HEADER + "1,NULL\n2,\\N\n3,NA\n", [(1, "1", "NULL"), (2, "2", "\\N"), (3, "3", "NA")]),
        (HEADER + '1,5" pipe\n2,b\n', [(1, "1", '5" pipe'), (2, "2", "b")]),
        (HEADER + '1,5" pipe', [(1, "1", '5" pipe')]),
        (HEADER + "1,a\n\n2,b\n\n", [(1, "1", "a"), (2, "2", "b")]),
        (HEADER + "1,'a\n2,日本 🎈\n", [(1, "1", "'a"), (2, "2", "日本 🎈")]),
        ("id,word", []),
        ("id,word\n", []),
        ("id,word\r\n", []),
    ],
)
def test_a_file_is_read_as_it_stands(body: str, expected: list[tuple[str | None, ...]]) -> None:
    rows, aside = decode("csv", body)
    assert [*values(rows)] == expected
    assert aside == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("\ufeff", "empty"),
        ("id,wrd\n1,a\n", "no column 'wrd'; its columns are: id, word"),
        ("id, word\n1,a\n", "column 2 of the header is 'word' but for capitals or blanks"),
        ("id,word,\n1,a,\n", "column 3 of the header has no name"),
        ("id,word,id\n1,a,2\n", "'id' stands there twice"),
        ("word\na\n", "'id' is missing"),
        ("1,a\n2,b\n", r"first line holds none .* is the header missing\? Its columns are: id, word"),
        ("x,x\n1,a\n", "first line holds none"),
        ("id," * 5000 + "id\n", "5,001 columns; at most 5,000"),
        ("id," + "x" * 140_000 + "\n1,a\n", "no CSV header: field larger"),
        ("id,word\n".encode("utf-32"), "UTF-32"),
        (b"id,w\xffrd\n", "no column 'wÿrd'"),
        (b"id,w\x81rd\n", "not UTF-8"),
        (HEADER + '1,"a\n2,b\n3,c\n', "quotation mark in row 1"),
        (HEADER + '1,a\n2,"b', "quotation mark in row 2"),
        (HEADER + '1,a\n2,"b""', "quotation mark in row 2"),
        (HEADER + '1,a\n2,"b\r', "quotation mark in row 2"),
        (HEADER + '1,a\n"2,b\n3,c\n', "quotation mark in row 2"),
        (HEADER + '1\n2\n"3,b\n4,c\n', "quotation mark in row 3"),
        ("x" * (1 << 20), "no CSV header"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(body: str | bytes, words: str) -> None:
    with pytest.raises(ReadFailure, match=words):
        decode("csv", body)


def test_a_row_with_too_many_or_too_few_fields_is_set_aside_as_it_came() -> None:
    rows, aside = decode("csv", HEADER + '1,a\n2\n3,c,d\n\n4,d\n5,"x\ny",z\n')
    assert [*values(rows)] == [(1, "1", "a"), (4, "4", "d")]
    assert [(row.row, row.rule, row.payload) for row in aside] == [
        (2, "too_few_fields", {"_line": "2"}),
        (3, "too_many_fields", {"_line": "3,c,d"}),
        (5, "too_many_fields", {"_line": '5,"x\ny",z'}),
    ]
    assert aside[1].message == "has 3 fields, and the header has 2"


def test_a_file_of_misfits_only_is_read_to_its_end() -> None:
    rows, aside = decode("csv", HEADER + "1\n2,b,c\n3\n")
    assert (rows, [row.row for row in aside]) == ([], [1, 2, 3])


def test_a_first_row_in_the_headers_place_is_not_quoted() -> None:
    with pytest.raises(ReadFailure) as failure:
        decode("csv", "Anna,anna@example.com,anna@example.com\n2,b,c\n")
    assert "nna" not in str(failure.value)


@pytest.mark.parametrize(
    ("header", "place"),
    [("id,Anna,word", "column 2 of"), ("Anna,id,Smith", "columns 1, 3 of"), ("id,An,An", "2, 3 of")],
)
def test_of_a_table_with_persons_an_unknown_name_is_placed_and_not_quoted(header: str, place: str) -> None:
    notes = CONTRACT.table("lab", "notes")
    persons = replace(notes, columns=(notes.columns[0], replace(notes.columns[1], pii="direct")))
    with pytest.raises(ReadFailure, match=f"{place} the header; its columns are: id, word") as failure:
        CsvDecoder(BytesIO(f"{header}\n1,a,b\n".encode()), persons)
    assert "An" not in str(failure.value)


@pytest.mark.parametrize("before", ["", "0,a\n"])
def test_misfits_without_end_are_not_held_in_memory(monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    monkeypatch.setattr(csv_decoder, "_BLOCK", 1 << 16)
    line, count = "x" * 400 + "\n", 60_000
    stream = BytesIO((HEADER + before + line * count).encode())
    seen = 1 if before else 0
    tracemalloc.start()
    try:
        for batch in CsvDecoder(stream, CONTRACT.table("lab", "notes")):
            assert len(batch.unreadable) <= 10_000
            for row in batch.unreadable:
                seen += 1
                assert (row.row, row.payload) == (seen, {"_line": line[:-1]})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == count + (1 if before else 0)
    assert peak < 25 << 20, "the lines alone are 24 MB; 8 wait in memory, and one batch is read"


def test_misfits_in_a_file_keep_their_order_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loader.intake.decode.misfits._IN_MEMORY", 64)
    monkeypatch.setattr(csv_decoder, "_ASIDE_ROWS", 3)
    monkeypatch.setattr(csv_decoder, "_BLOCK", 256)
    lines = [f"é{n}" if n < 100 or n % 3 else f"{n},a" for n in range(1, 401)]
    rows, aside = decode("csv", HEADER + "\n".join(lines))
    good = [n for n in range(100, 401) if not n % 3]
    assert [(row["_row"], row["id"]) for row in rows] == [(n, str(n)) for n in good]
    assert [(row.row, row.payload["_line"]) for row in aside] == [(n, f"é{n}") for n in range(1, 401) if n not in good]


@pytest.mark.parametrize("seed", range(6))
def test_rows_keep_their_numbers_across_pieces_of_the_file(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(csv_decoder, "_BLOCK", 64)
    chance = random.Random(seed)
    kinds = ["{0},w{0}", "{0}", "{0},a,b", '{0},"w{0}"', '{0},"a\nb"', "{0},\xff", "{0},a\0b"]
    chosen = [chance.choice(kinds) for _ in range(200)]
    lines = [kind.format(number).encode("latin-1") for number, kind in enumerate(chosen, 1)]
    blanks = [b"\n" if chance.random() < 0.1 else b"" for _ in lines]
    rows, aside = decode(
        "csv", HEADER.encode() + b"".join(line + b"\n" + blank for line, blank in zip(lines, blanks, strict=True))
    )
    good = [number for number, kind in enumerate(chosen, 1) if kind in (kinds[0], kinds[3], kinds[4])]
    assert [row["_row"] for row in rows] == good
    assert all(row["id"] == str(row["_row"]) for row in rows)
    assert [row.row for row in aside] == [number for number in range(1, 201) if number not in good]
    for row in aside:
        said = row.payload.get("id") or row.payload["_line"].split(",")[0]
        assert said == str(row.row)


def test_a_row_that_is_not_utf8_is_set_aside_readably() -> None:
    rows, aside = decode("csv", HEADER.encode() + b"1,\xc3\xa9\n2,caf\xe9\n3,c\n")
    assert [row["_row"] for row in rows] == [1, 3]
    assert [(row.row, row.rule, row.column, row.payload) for row in aside] == [
        (2, "unreadable", "word", {"id": "2", "word": "caf\\xe9"})
    ]


def test_a_row_with_a_nul_is_set_aside_readably() -> None:
    rows, aside = decode("csv", HEADER + "1,a\0b\n2,b\n3,a\0b,c\n")
    assert [row["_row"] for row in rows] == [2]
    assert [(row.row, row.column, row.payload) for row in aside] == [
        (1, "word", {"id": "1", "word": "a␀b"}),
        (3, None, {"_line": "3,a␀b,c"}),
    ]


def test_a_row_longer_than_a_piece_may_be_is_refused_with_the_two_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_decoder, "_BLOCK", 1 << 20)
    with pytest.raises(ReadFailure, match="longer than 1 MB, or a quotation mark"):
        decode("csv", HEADER + '1,"a\n' + "2,b\n" * (1 << 20))


def test_what_is_set_aside_is_counted_and_kept_by_the_load(lab: Lab) -> None:
    receipt = lab.load("notes", HEADER.encode() + b'1,a\n2\n3,\xff\n4,"x\0"\n5,"e, ""f""\n"\n')
    assert (receipt.received, receipt.accepted, receipt.rejected) == (5, 2, 3)
    assert [(r["row"], r["rule"], r["payload"]) for r in lab.rejects(receipt.load_id)] == [
        (2, "too_few_fields", {"_line": "2"}),
        (3, "unreadable", {"id": "3", "word": "\\xff"}),
        (4, "unreadable", {"id": "4", "word": "x␀"}),
    ]
    assert lab.mirror("notes") == [("1", "a"), ("5", 'e, "f"\n')]


def test_an_empty_field_is_null_and_an_empty_text_stays_one(lab: Lab) -> None:
    lab.load("notes", HEADER + '1,\n2,""\n')
    assert lab.mirror("notes") == [("1", None), ("2", "")]


def test_a_header_alone_is_a_load_of_no_rows(lab: Lab) -> None:
    receipt = lab.load("notes", "id,word")
    assert (receipt.status, receipt.received) == ("succeeded", 0)


@pytest.mark.parametrize("width", [7, 36, 60, 100, 1000, 70_000, 200_000])
@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_400_000])
def test_rows_are_whole_wherever_a_megabyte_ends(width: int, size: int) -> None:
    """Arrow makes blocks of what it is handed, and takes a row that spans three of them for one without an end."""
    for encoding in ("utf-8", "utf-16"):
        lines = [f"{number},{'x' * width}\n" for number in range((size - 8) // (width + 8))]
        body = "id,word\n" + "".join(lines)
        body = body[:-1] + "y" * (size - len(body)) + "\n"
        rows, aside = decode("csv", body.encode(encoding))
        assert not aside
        assert [row["_row"] for row in rows] == list(range(1, body.count("\n")))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("ID,word", "column 1 of the header is 'id' but for capitals or blanks: write it exactly so"),
        ("id, word ", "column 2 of the header is 'word' but for capitals or blanks"),
        ("id,word,", "column 3 of the header has no name; lab.notes's columns are: id, word"),
    ],
)
def test_a_header_that_is_nearly_right_is_told_what_is_wrong(header: str, words: str) -> None:
    with pytest.raises(ReadFailure, match=words):
        decode("csv", f"{header}\n1,a\n")
