"""Excel: cells become the text that was meant, and a sheet is read whatever its size."""

from __future__ import annotations

import datetime as dt
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from loader.contract.types import parse_type
from loader.intake.decode import ReadFailure, open_body, packed, xlsx
from loader.intake.decode import xlsx_sheet as sheet_reader
from loader.intake.decode.xlsx_book import Book, kind_of_format
from loader.intake.decode.xlsx_values import number_text
from tests.intake.lab import CONTRACT, Lab, decode, read, values
from tests.intake.sheets import LINK, by_hand, inline, made, workbook, zipped

HEADER = ["id", "word"]
#: Style 0 is a number, 1 a date, 2 a date and time, 3 a time, 4 a duration.
STYLES = (
    '<numFmts><numFmt numFmtId="200" formatCode="[h]:mm:ss"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/>'
    '<xf numFmtId="22"/><xf numFmtId="20"/><xf numFmtId="200"/></cellXfs>'
)


def cells_of(*cells: str, **more: str) -> tuple[list[Any], list[Any]]:
    """Rows of one cell each, in the text column."""
    rows = inline(HEADER) + "".join(f"<row><c><v>{i}</v></c>{cell}</row>" for i, cell in enumerate(cells, 1))
    rows, aside = decode("xlsx", by_hand(rows, styles=STYLES, **more))
    return [row["word"] for row in rows], [(row.row, row.rule, row.message) for row in aside]


def test_a_sheet_is_read_as_it_stands() -> None:
    rows, aside, found = read(
        "xlsx", workbook(("notes", [HEADER, [1, "a"], [2, None], [3, " ü "], [4, "7"], [5, 7], [6, 2.5], [7, True]]))
    )
    assert [*values(rows)] == [
        (1, "1", "a"), (2, "2", None), (3, "3", " ü "), (4, "4", "7"), (5, "5", "7"), (6, "6", "2.5"),
        (7, "7", "true"),
    ]  # fmt: skip
    assert (aside, found) == ([], {"format": "xlsx", "sheet": "notes"})


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("7", "7"), ("7.0", "7"), ("-7", "-7"), ("0.1", "0.1"), ("0.10000000000000001", "0.1"), ("1.5E-2", "0.015"),
        ("1.2345678901234568E+16", "12345678901234568"), ("12345678901234567", "12345678901234567"),
        ("1E+20", "100000000000000000000"), ("1E+300", "1e+300"), ("1234.5599999999999", "1234.56"),
        ("0.123456789012345678901", "0.123456789012345678901"), ("1e999", "1e999"),
    ],
)  # fmt: skip
def test_a_number_is_written_in_its_shortest_digits(raw: str, text: str) -> None:
    assert number_text(raw) == text
    assert cells_of(f"<c><v>{raw}</v></c>") == ([text], [])


@pytest.mark.parametrize(
    ("data_type", "cell", "text"),
    [
        ("date", '<c s="1"><v>45351</v></c>', "2024-02-29"),
        ("date", '<c s="1"><v>45351.5</v></c>', "2024-02-29T12:00:00"),
        ("date", '<c t="d"><v>2024-02-29T00:00:00</v></c>', "2024-02-29"),
        ("date", '<c s="1"><v>1</v></c>', "1900-01-01"),
        ("date", '<c s="1"><v>59</v></c>', "1900-02-28"),
        ("date", '<c s="1"><v>61</v></c>', "1900-03-01"),
        ("date", '<c s="1"><v>2958465</v></c>', "9999-12-31"),
        ("text", '<c s="1"><v>45351</v></c>', "2024-02-29"),
        ("timestamp", '<c s="1"><v>45351</v></c>', "2024-02-29T00:00:00"),
        ("timestamp", '<c s="2"><v>45351.573495370372</v></c>', "2024-02-29T13:45:50"),
        ("timestamp", '<c s="2"><v>45351.999999999</v></c>', "2024-03-01T00:00:00"),
        ("timestamptz", '<c s="2"><v>45351.25</v></c>', "2024-02-29T06:00:00"),
        ("time", '<c s="3"><v>0.573495370370370</v></c>', "13:45:50"),
        ("time", '<c s="3"><v>0</v></c>', "00:00:00"),
        ("text", '<c s="4"><v>1.1041666666666667</v></c>', "26:30:00"),
        ("text", '<c s="4"><v>0.00001</v></c>', "00:00:00.864"),
        ("date", '<c s="0"><v>45351</v></c>', "45351"),
    ],
)  # fmt: skip
def test_a_date_is_what_the_column_expects(data_type: str, cell: str, text: str) -> None:
    assert read_typed(by_hand(inline(HEADER) + f"<row><c><v>1</v></c>{cell}</row>", styles=STYLES), data_type) == [text]


def read_typed(body: bytes, data_type: str, **more: str) -> list[str | None]:
    notes = CONTRACT.table("lab", "notes")
    typed = replace(notes, columns=(notes.columns[0], replace(notes.columns[1], type=parse_type(data_type, **more))))
    return [row["word"] for batch in open_body(io.BytesIO(body), typed, "xlsx") for row in batch.rows.to_pylist()]


def test_the_epoch_of_1904_is_kept() -> None:
    day = dt.date(2024, 2, 29)

    def fill(book: Any) -> None:
        sheet = book.add_worksheet("s")
        sheet.write_row(0, 0, HEADER)
        sheet.write_number(1, 0, 1)
        sheet.write_datetime(1, 1, day, book.add_format({"num_format": "yyyy-mm-dd"}))

    for options in ({}, {"date_1904": True}):
        assert read_typed(made(fill, options), "date") == ["2024-02-29"]


def test_a_date_is_written_in_the_columns_own_format() -> None:
    body = by_hand(inline(HEADER) + '<row><c><v>1</v></c><c s="1"><v>45351</v></c></row>', styles=STYLES)
    assert read_typed(body, "date", format_="DD/MM/YYYY") == ["29/02/2024"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ('<c t="e"><v>#DIV/0!</v></c>', "holds the error #DIV/0!"),
        ('<c s="1"><v>60</v></c>', "is the 29th of February 1900, which Excel has and no calendar"),
        ('<c s="1"><v>-1</v></c>', "is shown as a date or time, and is out of their range"),
        ('<c s="1"><v>1e9</v></c>', "is shown as a date or time, and is out of their range"),
        ("<c><v>NaN</v></c>", "is marked as a number, and is none"),
        ("<c><f>1+1</f></c>", "holds a formula that was never calculated: open the file in Excel and save it"),
        ('<c t="str"><v>a_x0000_b</v></c>', "holds a NUL character"),
        ('<c t="str"><v>_xD800_</v></c>', "holds half a surrogate pair"),
        ("<c><v>1</v></c><c><v>2</v></c>", "has a value in column 3 of the sheet, and the header has 2"),
    ],
)
def test_a_cell_that_holds_no_value_refuses_its_row_only(cell: str, message: str) -> None:
    rule = "too_many_fields" if "column 3" in message else "unreadable"
    assert cells_of(cell, "<c><v>8</v></c>") == (["8"], [(1, rule, message)])


def test_texts_are_what_is_read_in_the_cell() -> None:
    texts = (
        "<si><t>plain</t></si><si><r><t>rich </t></r><r><t>text</t></r></si>"
        "<si><t>東京</t><rPh><t>トウキョウ</t></rPh></si><si><t>a_x000D_b_x005F_</t></si><si><t/></si>"
    )
    shown, aside = cells_of(*[f'<c t="s"><v>{number}</v></c>' for number in range(5)], texts=texts)
    assert (shown, aside) == (["plain", "rich text", "東京", "a\rb_", None], [])


def test_a_formula_gives_the_value_it_had() -> None:
    cells = ["<c><f>1+1</f><v>2</v></c>", '<c t="str"><f>""</f><v></v></c>', '<c t="str"><f>"a"</f><v>a</v></c>']
    assert cells_of(*cells) == (["2", None, "a"], [])


def test_empty_rows_and_cells_do_not_count() -> None:
    body = workbook(("s", [[], [], HEADER, [1, "a"], [], [2, "b"], *[[]] * 50, [None, None]]))
    assert [*values(decode("xlsx", body)[0])] == [(1, "1", "a"), (2, "2", "b")]


def test_the_sheet_is_the_first_shown_that_holds_anything_or_the_one_said() -> None:
    def fill(book: Any) -> None:
        book.add_worksheet("empty")
        hidden = book.add_worksheet("hidden")
        hidden.write_row(0, 0, ["x"])
        hidden.hide()
        for name in ("first", "2nd"):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, HEADER)
            sheet.write_row(1, 0, [1, name])

    body = made(fill)
    for said, word in [({}, "first"), ({"sheet": "2nd"}, "2nd"), ({"sheet": "4"}, "2nd"), ({"sheet": "3"}, "first")]:
        rows, _, found = read("xlsx", body, **said)
        assert ([row["word"] for row in rows], found["sheet"]) == ([word], word)
    for said in ("third", "0", "5", "-1"):
        with pytest.raises(ReadFailure, match=f"no sheet '{said}'; the sheets are: 'empty', 'hidden', 'first', '2nd'"):
            read("xlsx", body, sheet=said)
    with pytest.raises(ReadFailure, match="sheet 'empty' is empty"):
        read("xlsx", body, sheet="empty")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("General", None), ("0.00", None), ("#,##0.00", None), ("0.00E+00", None), ('0 "days"', None),
        ("[Red]0;[Blue]-0", None), ("\\d0", None), ("[$-409]0", None), ("@", None), ("yyyy-mm-dd", "date"),
        ("[$-409]d\\-mmm;@", "date"), ("h:mm AM/PM", "date"), ("[h]:mm", "duration"), ("[ss]", "duration"),
    ],
)  # fmt: skip
def test_a_number_format_is_known_for_a_date(code: str, kind: str | None) -> None:
    assert kind_of_format(code) == kind


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "list of members is missing"),
        (b"x" * 100, "list of members is missing"),
        (zipped({"a.csv": "id"}), "a zip archive, and no Excel file"),
        (workbook(("s", [HEADER, [1, "a"]]))[:-40], "list of members is missing"),
        (by_hand("<row>"), "is no XML"),
        (by_hand(inline(["wrd"])), "none of the column names"),
        (by_hand(inline(["id", "word", "id"])), "'id' stands there twice"),
        (by_hand(inline(["word"])), "'id' is missing"),
        (by_hand(inline(HEADER) + '<row><c t="s"><v>9</v></c></row>'), "a text that is not there"),
        (by_hand(inline(HEADER) + '<row><c r="XFE1"><v>9</v></c></row>'), "more than 16,384 columns"),
        (by_hand(inline(HEADER) + '<row><c r="1"><v>9</v></c></row>'), "has no place"),
        (by_hand("<a>" * 100), "nested too deeply"),
        (by_hand("", workbook="<!DOCTYPE x>"), "no XML|document type"),
        (by_hand(inline(HEADER) + f'<row a="{"x" * (5 << 20)}"/>'), "endless element"),
        (by_hand(inline(HEADER, ["1", "x" * (5 << 20)])), "more than 4 MB of text"),
    ],
)
def test_a_workbook_that_cannot_be_read_says_why(body: bytes, words: str) -> None:
    with pytest.raises(ReadFailure, match=words):
        decode("xlsx", body)


def test_entities_are_not_expanded() -> None:
    rows = '<row><c t="inlineStr"><is><t>&a;</t></is></c></row>'
    body = zipped({"_rels/.rels": "<!DOCTYPE r [<!ENTITY a 'aaaa'>]><r>&a;</r>", "x": rows})
    with pytest.raises(ReadFailure, match="document type"):
        decode("xlsx", body)


def test_a_million_empty_rows_end_quickly_in_little_memory() -> None:
    rows = inline(HEADER, ["1", "a"]) + "".join(f'<row r="{number}"/>' for number in range(3, 1_000_003))
    start = monotonic()
    found, aside = decode("xlsx", by_hand(rows))
    assert ([*values(found)], aside) == ([(1, "1", "a")], [])
    assert monotonic() - start < 60, "some seconds where nothing else runs"


@pytest.mark.parametrize("cell", ["", "<c/>", '<c s="1"/>', "<c><v></v></c>"])
def test_memory_does_not_grow_with_empty_rows(cell: str) -> None:
    peaks = []
    for count in (1000, 1000, 20_000):
        body = by_hand(inline(HEADER, ["1", "a"]) + f"<row>{cell}</row>" * count)
        tracemalloc.start()
        try:
            decode("xlsx", body)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[2] < peaks[1] + (1 << 20)


def test_a_sheet_of_more_rows_than_excel_has_ends_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_reader, "_MOST_ROWS", 100)
    with pytest.raises(ReadFailure, match="more than 100 rows"):
        decode("xlsx", by_hand(inline(HEADER) + "<row/>" * 100))


def test_rows_beyond_one_batch_keep_their_numbers() -> None:
    rows = "".join(f"<row><c><v>{n}</v></c><c><v>{n}</v></c></row>" for n in range(1, 25_001))
    body = by_hand(inline(HEADER) + rows)
    batches = [*open_body(io.BytesIO(body), CONTRACT.table("lab", "notes"), "xlsx")]
    assert [batch.rows.num_rows for batch in batches] == [10_000, 10_000, 5_000]
    assert all(row["id"] == str(row["_row"]) for batch in batches for row in batch.rows.to_pylist())


def test_a_workbook_is_loaded_and_its_receipt_says_what_was_read(lab: Lab) -> None:
    rows = [["id", "name", "size", "begins", "price"], [1, "a", 7, "2024-01-31", 2.5], [2, "b", 7.5, None, None]]
    receipt = lab.load("things", workbook(("Tabelle1", rows)), "xlsx")
    assert (receipt.accepted, receipt.rejected) == (1, 1)
    assert receipt.format == {"format": "xlsx", "sheet": "Tabelle1"}
    assert lab.mirror("things") == [("1", "a", "7", None, "2024-01-31", None, "2.50")]
    assert lab.query("select format from ledger.loads") == [(receipt.format,)]


def test_a_format_of_brackets_that_never_close_is_read_in_one_go() -> None:
    assert kind_of_format("[" * 1_000_000) is None  # else it would take hours
    assert kind_of_format("[" * 1000 + "h]") is None


def test_parts_that_are_named_again_and_again_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read_styles, opened = Book._read_styles, []
    monkeypatch.setattr(Book, "_read_styles", lambda book, path: (opened.append(path), read_styles(book, path)))
    sheets = "".join(f'<sheet name="s{n}" sheetId="{n}" r:id="1"/>' for n in range(2, 50))
    relations = "".join(f'<Relationship Id="s{n}" Type="{LINK}/styles" Target="styles.xml"/>' for n in range(50))
    book = by_hand("", styles=STYLES, more_sheets=sheets, more_relations=relations)
    rows_of, read = xlsx.rows_of, []
    monkeypatch.setattr(xlsx, "rows_of", lambda book, sheet: (read.append(sheet.path), rows_of(book, sheet))[1])
    with pytest.raises(ReadFailure, match="is empty"):
        decode("xlsx", book)
    assert (len(opened), len(read)) == (1, 1)


LONG = "x" * 301


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (by_hand("", more_sheets=f'<sheet name="{LONG}" r:id="1"/>'), "the name of sheet 2 has more than 300"),
        (
            by_hand("", more_relations=f'<Relationship Id="{LONG}" Type="{LINK}/worksheet" Target="a"/>'),
            "the id in xl/_rels/workbook.xml.rels has more than 300",
        ),
        (
            by_hand("", more_relations=f'<Relationship Id="9" Type="{LINK}/worksheet" Target="{LONG}"/>'),
            "the target in xl/_rels/workbook.xml.rels has more than 300",
        ),
        (
            by_hand("", styles=f'<numFmts><numFmt numFmtId="{"1" * 21}" formatCode="0"/></numFmts>'),
            "the number of a format in xl/styles.xml has more than 20",
        ),
        (by_hand(f"<{LONG}/>"), "the name of an element or attribute in xl/worksheets/sheet1.xml has more than 300"),
        (by_hand(f'<row {LONG}="1"/>'), "the name of an element or attribute in xl/worksheets/sheet1.xml has more"),
        (by_hand(f'<row xmlns:{LONG}="a"/>'), "the prefix in xl/worksheets/sheet1.xml has more than 300"),
        (by_hand(f'<row xmlns="{LONG}"/>'), "the namespace in xl/worksheets/sheet1.xml has more than 300"),
    ],
    ids=["sheet", "id", "target", "format", "element", "attribute", "prefix", "namespace"],
)  # fmt: skip
def test_a_name_that_is_kept_has_a_bound(body: bytes, words: str) -> None:
    with pytest.raises(ReadFailure, match=f"{words}.* characters, as Excel writes none; shorten it, or save"):
        decode("xlsx", body)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda n: f"<a{n}/>", "1,000 different names of elements and attributes"),
        (lambda n: f'<row a{n}="1"/>', "1,000 different names of elements and attributes"),
        (lambda n: f'<row xmlns:a{n}="a"/>', "100 different prefixes"),
        (lambda n: f'<a{n}:row xmlns:a{n}="a"/>', "100 different prefixes"),
    ],
    ids=["elements", "attributes", "prefixes", "prefixes of one name"],
)
def test_names_that_the_parser_keeps_have_a_bound(make: Callable[[int], str], words: str) -> None:
    read_to_end = by_hand(inline(HEADER, ["1", "a"]) + "".join(make(n % 50) for n in range(2000)))
    assert len(decode("xlsx", read_to_end)[0]) == 1
    with pytest.raises(ReadFailure, match=f"sheet1.xml has more than {words}, as Excel writes none; save the sheet"):
        decode("xlsx", by_hand(inline(HEADER, ["1", "a"]) + "".join(map(make, range(1001)))))


def test_all_parts_together_may_unpack_to_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    book = workbook(("s", [HEADER, [1, "a"]]))
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        largest = max(member.file_size for member in archive.infolist() if "theme" not in member.filename)
    monkeypatch.setattr(packed, "FREE_BYTES", largest)
    monkeypatch.setattr(packed, "MOST_TIMES", 0)
    with pytest.raises(ReadFailure, match="the Excel file unpacks to more than"):
        decode("xlsx", book)
