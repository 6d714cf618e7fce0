"""A body's columns may have names of their own, if it is said which is which."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest

from loader.intake.decode import ReadFailure, Said
from loader.intake.decode.look import look
from tests.intake.lab import CONTRACT, parquet, read
from tests.intake.sheets import made, workbook

MEANT = {"No.": "id", "The word": "word", "Remark": None}
ROWS: list[tuple[int, str | None, str | None]] = [(1, "one", "x"), (2, None, None), (3, "three", "z")]
BODIES: dict[str, bytes | str] = {
    "csv": "Remark,No.,The word\nx,1,one\n,2,\nz,3,three\n",
    "json": json.dumps([{"Remark": remark, "No.": number, "The word": word} for number, word, remark in ROWS]),
    "ndjson": "".join(
        json.dumps({"Remark": remark, "No.": number, "The word": word}) + "\n" for number, word, remark in ROWS
    ),
    "parquet": parquet({
        "Remark": [remark for *_, remark in ROWS], "No.": [number for number, *_ in ROWS],
        "The word": [word for _, word, _ in ROWS],
    }),
    "xlsx": workbook(
        ("sheet", [["Remark", "No.", "The word"], *([remark, number, word] for number, word, remark in ROWS)])
    ),
}  # fmt: skip


def said(**columns: str | None) -> str:
    return json.dumps(columns)


@pytest.mark.parametrize("format_", BODIES)
def test_every_format_is_read_under_the_names_that_were_said(format_: str) -> None:
    rows, aside, found = read(format_, BODIES[format_], columns=json.dumps(MEANT))
    assert not aside
    assert [(row["id"], row["word"]) for row in rows] == [("1", "one"), ("2", None), ("3", "three")]
    assert not {"No.", "Remark"} & set(rows[0])
    assert found["columns"] == MEANT


@pytest.mark.parametrize("format_", BODIES)
def test_a_look_shows_a_bodys_own_names_and_first_rows(format_: str) -> None:
    body = BODIES[format_]
    stream = io.BytesIO(body.encode() if isinstance(body, str) else body)
    seen = look(stream, CONTRACT.find("lab.notes"), format_, Said(), 2)
    assert seen.names == ("Remark", "No.", "The word")
    assert seen.rows == (("x", "1", "one"), (None, "2", None))
    assert seen.found["format"] == format_
    assert "columns" not in seen.found


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_of_a_header_that_nobody_knows_is_the_one_that_parts_most(separator: str) -> None:
    body = separator.join(["No.", "The word"]) + "\n" + separator.join(["1", "one"]) + "\n"
    seen = look(io.BytesIO(body.encode()), CONTRACT.find("lab.notes"), "csv", Said(), 5)
    assert (seen.names, seen.rows) == (("No.", "The word"), (("1", "one"),))
    rows, _, _ = read("csv", body, columns=json.dumps({"No.": "id", "The word": "word"}))
    assert [(row["id"], row["word"]) for row in rows] == [("1", "one")]


def test_what_is_left_out_may_be_anything() -> None:
    """Two columns of one name, none at all, what is no text: nobody looks at it."""
    body = b"No.,The word,,,Extra,_row\n1,one,,\xff\xfe,a\0b,7\n2,two,x,y,z,8\n"
    meant = {"No.": "id", "The word": "word", "": None, "Extra": None, "_row": None}
    rows, aside, _ = read("csv", body, columns=json.dumps(meant), encoding="utf-8")
    assert not aside
    assert [(row["_row"], row["id"], row["word"]) for row in rows] == [(1, "1", "one"), (2, "2", "two")]


def test_a_cell_that_is_left_out_refuses_no_row() -> None:
    def fill(book: Any) -> None:
        page = book.add_worksheet("sheet")
        page.write_row(0, 0, ["No.", "The word", "Sum"])
        page.write_row(1, 0, [1, "one"])
        page.write_formula(1, 2, "=1/0", None, "#DIV/0!")

    sheet = made(fill)
    assert read("xlsx", sheet, columns=said(**{"No.": "id", "The word": None, "Sum": "word"}))[1], "it is an error"
    rows, aside, _ = read("xlsx", sheet, columns=said(**{"No.": "id", "The word": "word", "Sum": None}))
    assert not aside
    assert [row["word"] for row in rows] == ["one"]


def test_a_row_with_too_many_fields_is_told_of_by_the_files_own_count() -> None:
    body = "No.,The word,Remark\n1,one,x\n2,two,y,z\n"
    _, aside, _ = read("csv", body, columns=json.dumps(MEANT))
    assert [(row.row, row.rule, row.message) for row in aside] == [
        (2, "too_many_fields", "has 4 fields, and the header has 3")
    ]


def test_a_row_that_can_not_be_read_is_kept_under_the_tables_names() -> None:
    body = b"No.,The word\n1,o\xff\n"
    _, aside, _ = read("csv", body, columns=said(**{"No.": "id", "The word": "word"}), encoding="utf-8")
    assert [(row.column, row.payload) for row in aside] == [("word", {"id": "1", "word": "o\\xff"})]


def test_a_record_with_two_names_of_one_column_is_set_aside() -> None:
    _, aside, _ = read("ndjson", '{"No.": 1, "id": 2, "word": "x"}\n', columns=said(**{"No.": "id"}))
    assert [(row.rule, row.message, row.payload) for row in aside] == [
        ("unreadable", "has two of what is said to be one column", {"No.": "1", "id": "2", "word": "x"})
    ]


@pytest.mark.parametrize("format_", ["csv", "json"])
def test_a_column_that_the_table_does_not_have_is_said_so(format_: str) -> None:
    with pytest.raises(ReadFailure, match=r"'No\.' is to be 'number', which lab\.notes does not have"):
        read(format_, BODIES[format_], columns=said(**{"No.": "number"}))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"No": "id", "The word": "word", "Remark": None}, "the file has none of the name 'No'"),
        ({"No.": "id", "The word": "word"}, "has no column 'Remark'"),
        ({"No.": None, "The word": "word", "Remark": None}, "the column 'id' is missing"),
    ],
)
def test_names_that_do_not_fit_the_file_are_said_so(columns: dict[str, str | None], message: str) -> None:
    with pytest.raises(ReadFailure, match=message):
        read("csv", BODIES["csv"], columns=json.dumps(columns))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns is a JSON object"),
        ("[]", "columns is a JSON object"),
        ('[["a", "b"]]', "columns is a JSON object"),
        ('"id"', "columns is a JSON object"),
        ('{"a": 1}', "columns is a JSON object"),
        ('{"a": {"b": null}}', "columns is a JSON object"),
        ("[" * 100_000, "columns is a JSON object"),
        ('{"a": "id", "a": "word"}', "columns says twice what 'a' is"),
        ('{"a": "id", "b": "id"}', "columns says of both 'a' and 'b' that they are 'id'"),
    ],
)
def test_what_is_said_of_columns_is_one_thing_of_each(text: str, message: str) -> None:
    with pytest.raises(ReadFailure, match=message):
        Said.of(columns=text)


@pytest.mark.parametrize("body", [b"[1, 2]", b"[]", b'"text"', b"[[]]"])
def test_a_look_at_what_has_no_names_says_so(body: bytes) -> None:
    with pytest.raises(ReadFailure):
        look(io.BytesIO(body), CONTRACT.find("lab.notes"), "json", Said(), 5)


def test_a_header_alone_has_names_and_no_rows() -> None:
    seen = look(io.BytesIO(b"a,b\n"), CONTRACT.find("lab.notes"), "csv", Said(), 5)
    assert (seen.names, seen.rows) == (("a", "b"), ())


def test_names_that_come_twice_are_shown_as_they_stand() -> None:
    seen = look(io.BytesIO(b"a,a,\n1,2,3\n"), CONTRACT.find("lab.notes"), "csv", Said(), 5)
    assert (seen.names, seen.rows) == (("a", "a", ""), (("1", "2", "3"),))


def test_what_a_receipt_says_of_names_can_be_kept() -> None:
    """Postgres keeps no NUL and no half of a surrogate pair, which JSON may have in a name."""
    meant: dict[str, Any] = {"a\0b": "id", "\ud800": "word"}
    _, _, found = read("json", '{"a\\u0000b": 1, "\\ud800": "x"}', columns=json.dumps(meant))
    assert found["columns"] == {"a␀b": "id", "\\ud800": "word"}


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_quotation_mark_that_is_not_closed_takes_no_rows_along_in_a_column_that_is_left_out(end: str) -> None:
    body = 'No.,The word,Remark\n1,one,x\n2,two,"open\n3,three,y\n4,four,z' + end
    with pytest.raises(ReadFailure, match="a quotation mark in row 2 is opened and never closed"):
        read("csv", body, columns=json.dumps(MEANT))


def test_blank_lines_above_the_header_are_passed_over() -> None:
    rows, _, _ = read("csv", "\n\r\n  \nid,word\n1,one\n")
    assert [row["word"] for row in rows] == ["one"]
    with pytest.raises(ReadFailure, match="the file is empty"):
        read("csv", "\n" * 50)


@pytest.mark.parametrize("format_", ["csv", "xlsx"])
def test_the_row_with_the_names_can_be_said(format_: str) -> None:
    body: dict[str, bytes | str] = {
        "csv": "Notes of May\npage,2\nid,word\n1,one\n2,two,x\n",
        "xlsx": workbook(
            ("sheet", [["Notes of May"], [None], ["page", "2"], ["id", "word"], [1, "one"], [2, "two", "x"]])
        ),
    }
    rows, aside, _ = read(format_, body[format_], header_row="3")
    assert [(row["_row"], row["id"], row["word"]) for row in rows] == [(1, "1", "one")]
    assert [row.row for row in aside] == [2]
    with pytest.raises(ReadFailure, match="empty"):
        read(format_, body[format_], header_row="900")


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "²", "1001", "9" * 5000, ""])
def test_a_row_with_names_is_a_number(text: str) -> None:
    with pytest.raises(ReadFailure, match="header_row is the number"):
        Said.of(header_row=text)


def test_what_is_left_out_is_not_kept_where_it_can_be_told() -> None:
    _, aside, _ = read("json", '{"No.": 1, "id": 2, "Remark": "secret"}', columns=said(**{"No.": "id", "Remark": None}))
    assert "secret" not in repr(aside)
    sheet = workbook(("sheet", [["id", "Remark"], [1, "secret", "x"]]))
    _, aside, _ = read("xlsx", sheet, columns=said(Remark=None))
    assert [row.rule for row in aside] == ["too_many_fields"]
    assert "secret" not in repr(aside)


def test_a_look_holds_one_record_at_a_time() -> None:
    """A few kilobytes may hold a hundred records of millions of numbers each."""
    record = b'{"id": 1, "word": [' + b",".join([b"1"] * 300_000) + b"]}\n"
    tracemalloc.start()
    try:
        seen = look(io.BytesIO(record * 8), CONTRACT.find("lab.notes"), "ndjson", Said(), 8)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen.names == ("id", "word")
    assert all(len(row[1] or "") <= 200 for row in seen.rows)
    assert most < 150 << 20


def test_a_look_at_rows_none_of_which_fits_reads_the_beginning_only() -> None:
    body = io.BytesIO(b"Suppliers of 2026\n" + b"1,A,DE\n" * 8_000_000)
    seen = look(body, CONTRACT.find("lab.notes"), "csv", Said(), 8)
    assert (seen.names, seen.rows) == (("Suppliers of 2026",), ())
    assert body.tell() < 28 << 20, "Arrow reads some pieces ahead"


def test_a_look_does_not_say_what_nobody_can_know() -> None:
    body = b"Hours spent;x\n1,5;2\n"
    assert "decimal" not in look(io.BytesIO(body), CONTRACT.find("lab.notes"), "csv", Said(), 8).found
    assert look(io.BytesIO(body), CONTRACT.find("lab.notes"), "csv", Said(decimal=","), 8).found["decimal"] == ","


def test_parquet_with_what_is_no_text_can_be_looked_at() -> None:
    body = parquet({"No.": [1], "Photo": [b"\xff\xd8"]})
    assert look(io.BytesIO(body), CONTRACT.find("lab.notes"), "parquet", Said(), 8).rows == (("1", None),)


def test_other_names_make_another_content() -> None:
    digest = "0" * 64
    assert Said().content(digest) == Said.of(separator="tab").content(digest) == digest
    one, other = Said.of(columns=said(a="id", b="word")), Said.of(columns=said(b="word", a="id"))
    assert one.content(digest) == other.content(digest) != digest
    assert Said.of(columns=said(a="word", b="id")).content(digest) != one.content(digest)
