"""Dialects and encodings are found out or said, and shown; what is packed is unpacked within bounds."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
from typing import Any

import pytest

from loader.intake.decode import ReadFailure, Said, format_of_file, open_body, packed
from loader.intake.decode import csv as csv_decoder
from tests.intake.lab import CONTRACT, Lab, decode, parquet, read, values
from tests.intake.sheets import workbook, zipped

NAMES = "id;price;name\n"


def packed_by_gzip(body: bytes) -> bytes:
    """Without the moment of packing: the cases of a test have the same names every time."""
    return gzip.compress(body, mtime=0)


def prices(rows: str, **said: str) -> tuple[list[Any], list[Any], str]:
    """Rows of id, price and name, read; those set aside by row and message; the decimal sign found."""
    found_rows, aside, found = read("csv", NAMES + rows, "things", **said)
    return [row["price"] for row in found_rows], [(row.row, row.message) for row in aside], found["decimal"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("lines", ["\n", "\r\n"])
def test_an_encoding_is_found_and_shown(encoding: str, lines: str) -> None:
    body = lines.join(["id,word", '1,"Zoë, €"', "2,b", ""]).encode(encoding)
    if encoding == "utf-16":
        body = b"\xff\xfe" + body.removeprefix(b"\xff\xfe")
    rows, aside, found = read("csv", body)
    assert [*values(rows)] == [(1, "1", "Zoë, €"), (2, "2", "b")]
    assert aside == []
    shown = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "cp1252": "windows-1252"}.get(encoding, encoding)
    assert found["encoding"] == shown
    assert found.get("bom", False) == (encoding in ("utf-8-sig", "utf-16"))


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"id,word\n1,caf\xe9\n", "windows-1252"),
        (b"id,word\n1,\x93quoted\x94 \x96 5 \x80\n", "windows-1252"),
        (b"id,word\n1,caf\xe9\n2,caf\xc3\xa9\n", "utf-8"),
        (b"id,word\n1,caf\xe9\n2,a\0\n", "utf-8"),
        (b"id,word\n1,\x81\n", "utf-8"),
        ("id,word\n1,привет\n".encode("cp1251"), "utf-8"),
        ("id,word\n1,Ελλάδα\n".encode("cp1253"), "utf-8"),
        ("id,word\n1,Małgorzata\n".encode("cp1250"), "utf-8"),
        ("id,word\n1,東京都、日本\n".encode("shift_jis"), "utf-8"),
    ],
)
def test_windows_1252_is_taken_only_where_little_speaks_against_it(body: bytes, encoding: str) -> None:
    assert read("csv", body)[2]["encoding"] == encoding


@pytest.mark.parametrize("encoding", ["windows-1251", "cp1251", "Windows-1251"])
def test_another_encoding_is_said(encoding: str) -> None:
    said = Said.of(encoding=encoding)
    body = io.BytesIO("id,word\n1,привет\n".encode("cp1251"))
    decoder = open_body(body, CONTRACT.table("lab", "notes"), "csv", said)
    assert [row["word"] for batch in decoder for row in batch.rows.to_pylist()] == ["привет"]


def test_a_row_that_its_encoding_does_not_have_is_set_aside() -> None:
    body = "id,word\n1,a\n2,\ud800\n3,c\n".encode("utf-16", "surrogatepass")
    rows, aside, _ = read("csv", body)
    assert ([row["id"] for row in rows], [(row.row, row.column) for row in aside]) == (["1", "3"], [(2, "word")])
    rows, aside, _ = read("csv", b"id,word\n1,\x81\n2,b\n", encoding="windows-1252")
    assert ([row["id"] for row in rows], [row.row for row in aside]) == (["2"], [1])
    assert aside[0].message == "is not WINDOWS-1252 text; say the encoding if it is another"


def test_a_long_text_is_translated_in_pieces() -> None:
    line = "é" * 50
    body = ("id,word\n" + "".join(f"{n},{line}\n" for n in range(1, 800_001))).encode("utf-16")
    tracemalloc.start()
    try:
        rows = 0
        for batch in open_body(io.BytesIO(body), CONTRACT.table("lab", "notes"), "csv"):
            rows += batch.rows.num_rows
            assert batch.rows.column("word")[0].as_py() == line
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == 800_000
    assert peak < 45 << 20, "the body is 88 MB, and as much again as UTF-8; Arrow reads 32 MB ahead at most"


@pytest.mark.parametrize(
    ("body", "separator", "quote"),
    [
        ("id,word\n1,a\n", ",", '"'),
        ("id;word\n1;a\n", ";", '"'),
        ("id\tword\n1\ta\n", "\t", '"'),
        ("id|word\n1|a\n", "|", '"'),
        ("'id';'word'\n1;'a;b'\n", ";", "'"),
        ("sep=;\nid;word\n1;a\n", ";", '"'),
        ('"sep=|"\r\nid|word\r\n1|a\r\n', "|", '"'),
    ],
)
def test_separator_and_quotation_mark_are_found_and_shown(body: str, separator: str, quote: str) -> None:
    rows, _, found = read("csv", body)
    assert (rows[0]["id"], found["separator"], found["quote"]) == ("1", separator, quote)


def test_what_is_said_is_not_found_out() -> None:
    assert decode("csv", "id,word\n1,'a'\n")[0][0]["word"] == "'a'"
    assert read("csv", "id,word\n1,'a,b'\n", quote="'")[0][0]["word"] == "a,b"
    with pytest.raises(ReadFailure, match="none of the column names"):
        read("csv", "id,word\n1,a\n", separator=";")
    with pytest.raises(ReadFailure, match="begins as utf-16-le, and its encoding was said to be utf-8"):
        read("csv", "id,word\n1,a\n".encode("utf-16"), encoding="utf-8")


@pytest.mark.parametrize(
    ("option", "word", "words"),
    [
        ("separator", ":", "comma, semicolon, tab, bar"),
        ("quote", "x", "double, single"),
        ("decimal", ";", "point, comma"),
        ("encoding", "utf-7", "there is no encoding 'utf-7'; there are: utf-8, "),
        ("encoding", "a\0", "there is no encoding"),
    ],
)
def test_an_option_that_means_nothing_lists_what_does(option: str, word: str, words: str) -> None:
    with pytest.raises(ReadFailure, match=words):
        Said.of(**{option: word})


DOUBT = "has a comma that may part decimals or thousands; say which by the option decimal"
POINT = "has a point, and the file's decimal sign is the comma"


@pytest.mark.parametrize(
    ("rows", "read_as", "aside", "sign"),
    [
        ("1;1,5;a\n2;2;b\n", ["1.5", "2"], [], ","),
        ("1;1,234;a\n2;0,5;b\n", ["1.234", "0.5"], [], ","),
        ("1;1234,567;a\n2;-1,5e2;b\n3;+,5;c\n", ["1234.567", "-1.5e2", "+.5"], [], ","),
        ("1;1,5;a\n2;1.234;b\n", ["1.5"], [(2, POINT)], ","),
        ("1;1,5;a\n2;1.234,5;b\n3;1,2,3;c\n", ["1.5", "1.234,5", "1,2,3"], [], ","),
        ("1;1.5;a\n2;1,5;b\n", ["1.5", "1,5"], [], "."),
        ("1;1.5;a\n2;1,234;b\n", ["1.5", "1,234"], [], "."),
        ("1;1,234;a\n2;7;b\n", ["7"], [(1, DOUBT)], "."),
        ("1;1.234;a\n", ["1.234"], [], "."),
    ],
)
def test_a_decimal_comma_is_taken_where_it_is_certain(rows: str, read_as: Any, aside: Any, sign: str) -> None:
    assert prices(rows) == (read_as, aside, sign)


def test_a_said_decimal_sign_settles_it() -> None:
    assert prices("1;1,234;a\n2;1.5;b\n", decimal=",") == (["1.234"], [(2, POINT)], ",")
    assert prices("1;1,5;a\n2;1.5;b\n", decimal=".") == (["1,5", "1.5"], [], ".")


def test_a_comma_between_quotes_is_a_decimal_sign_too() -> None:
    rows, _, found = read("csv", 'id,price,name\n1,"1,5",a\n2,2,b\n', "things")
    assert ([row["price"] for row in rows], found["decimal"]) == (["1.5", "2"], ",")


def test_later_rows_are_held_to_the_sign_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_decoder, "_BLOCK", 64)
    early, late = "".join(f"{n};1,5;a\n" for n in range(1, 50)), "50;1.5;b\n"
    with pytest.raises(ReadFailure, match="decimal comma, and row 50 writes price with a point"):
        prices(early + late)
    undecided = "".join(f"{n};1;a\n" for n in range(1, 50))
    assert prices(undecided + "50;1,5;b\n")[1] == [(50, DOUBT)]


def test_a_row_in_doubt_is_kept_and_not_let_in_by_a_replay(lab: Lab) -> None:
    receipt = lab.load("things", NAMES + "1;1,50;a\n2;1.234;b\n3;2,50;c\n")
    assert (receipt.accepted, receipt.rejected) == (2, 1)
    assert receipt.format is not None
    assert receipt.format["decimal"] == ","
    kept = lab.rejects(receipt.load_id)
    assert [(row["row"], row["column_name"], row["payload"]["price"]) for row in kept] == [(2, "price", "1.234")]
    assert lab.replay("things", kept[0]["reject_id"]).received == 0


def test_the_receipt_of_a_repetition_says_what_was_found(lab: Lab) -> None:
    body = "id;word\r\n1;ü\r\n".encode("utf-16")
    first = lab.load("notes", body, idempotency_key="k", content_hash="h")
    again = lab.load("notes", body, idempotency_key="k", content_hash="h")
    assert again.repeated
    assert first == again
    assert first.format == again.format == {
        "format": "csv", "encoding": "utf-16-le", "bom": True, "separator": ";", "quote": '"', "decimal": ".",
    }  # fmt: skip


# -- what is packed ----------------------------------------------------------

CSV, PARQUET, XLSX = b"id,word\n1,a\n", parquet({"id": [1], "word": ["a"]}), workbook(("s", [["id", "word"], [1, "a"]]))
BODIES = {
    "csv": CSV, "ndjson": b'{"id":1,"word":"a"}', "json": b'[{"id":1,"word":"a"}]', "parquet": PARQUET, "xlsx": XLSX,
}  # fmt: skip


@pytest.mark.parametrize("format_", BODIES)
def test_every_format_may_be_packed(format_: str) -> None:
    plain = decode(format_, BODIES[format_])
    assert [*values(plain[0])] == [(1, "1", "a")]
    rows, aside, found = read(f"{format_}.gz", packed_by_gzip(BODIES[format_]))
    assert ((rows, aside), found["packed"]) == (plain, "gzip")
    for extra in ({}, {"README.md": "x", "__MACOSX/._rows": "x", "folder/": ""}):
        rows, aside, found = read("zip", zipped({f"folder/rows.{format_}": BODIES[format_]} | extra))
        assert ((rows, aside), found["format"], found["packed"]) == (plain, format_, "zip")


def test_gzip_members_one_after_the_other_are_one_body() -> None:
    assert len(decode("csv.gz", packed_by_gzip(CSV) + packed_by_gzip(b"2,b\n"))[0]) == 2


@pytest.mark.parametrize(
    ("format_", "body", "words"),
    [
        ("csv.gz", b"", "the gzip is cut off"),
        ("csv.gz", CSV, "the gzip is damaged: Not a gzipped file"),
        ("csv.gz", packed_by_gzip(CSV)[:-4], "the gzip is cut off"),
        ("csv.gz", packed_by_gzip(CSV * 10_000)[:-400], "the gzip is cut off"),
        ("csv.gz", packed_by_gzip(CSV)[:-8] + b"\0" * 8, "the gzip is damaged: CRC"),
        ("csv.gz", packed_by_gzip(packed_by_gzip(CSV)), "this is no text, but gzip"),
        ("ndjson.gz", packed_by_gzip(b"{}\n")[:-4], "the gzip is cut off"),
        ("json.gz", packed_by_gzip(b"[]")[:-4], "the gzip is cut off"),
        ("parquet.gz", packed_by_gzip(PARQUET)[:-4], "the gzip is cut off"),
        ("xlsx.gz", packed_by_gzip(XLSX)[:-4], "the gzip is cut off"),
        ("zip", b"", "list of members is missing"),
        ("zip", zipped({}), "holds nothing; it should hold one file named .csv"),
        ("zip", zipped({"a.csv": CSV})[:-10], "list of members is missing"),
        ("zip", zipped({"a.md": "x"}), "holds only 'a.md'"),
        ("zip", zipped({"a.csv": CSV, "b.json": "[]"}), "holds 2 data files, 'a.csv', 'b.json'; send each by itself"),
        ("zip", zipped({"a.zip": zipped({"a.csv": CSV})}), "holds another one, 'a.zip'"),
        ("zip", zipped({"a.csv.gz": packed_by_gzip(CSV)}), "holds another one, 'a.csv.gz'"),
        ("csv", zipped({"a.csv": CSV}), "a zip archive or an Excel file: name it .zip or .xlsx"),
        ("csv", packed_by_gzip(CSV), "Content-Encoding: gzip"),
        ("json", PARQUET, "Parquet: name it .parquet"),
        ("ndjson", b"\xd0\xcf\x11\xe0" * 9, "an old or locked Excel file"),
    ],
)
def test_what_cannot_be_unpacked_says_why(format_: str, body: bytes, words: str) -> None:
    with pytest.raises(ReadFailure, match=words):
        decode(format_, body)


def locked(body: bytes) -> bytes:
    """The archive with the mark of encryption on its members."""
    out = bytearray(body)
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        out[out.index(magic) + place] |= 1
    return bytes(out)


def test_a_locked_archive_is_refused() -> None:
    with pytest.raises(ReadFailure, match="locked with a password"):
        decode("zip", locked(zipped({"a.csv": CSV})))


def test_a_bomb_is_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "FREE_BYTES", 1 << 20)
    rows = CSV + (b"1," + b"a" * 2000 + b"\n") * 150_000
    bombs = [("csv.gz", packed_by_gzip(rows)), ("zip", zipped({"a.csv": rows}))]
    for format_, body in bombs:
        tracemalloc.start()
        try:
            with pytest.raises(ReadFailure, match="more than 250 times its size"):
                for _ in open_body(io.BytesIO(body), CONTRACT.table("lab", "notes"), format_):
                    pass
            # Arrow reads up to 32 blocks ahead
            assert tracemalloc.get_traced_memory()[1] < 60 << 20, "it holds 300 MB"
        finally:
            tracemalloc.stop()
    monkeypatch.setattr(packed, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(packed, "MOST_TIMES", 10_000)
    with pytest.raises(ReadFailure, match="unpacks to more than 0 GB; load it in parts"):
        decode("csv.gz", bombs[0][1])


def test_an_archive_of_very_many_members_is_not_listed() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(12_000):
            archive.writestr(f"{number}{'x' * 50}", "")
    with pytest.raises(ReadFailure, match="more than ten thousand files"):
        decode("zip", out.getvalue())


def test_a_cut_off_gzip_loads_nothing(lab: Lab) -> None:
    from loader.intake.load import LoadFailed

    body = packed_by_gzip(CSV + b"".join(b"%d,b\n" % n for n in range(2, 50_000)))
    with pytest.raises(LoadFailed, match="the gzip is cut off"):
        lab.load("notes", body[:-100], "csv.gz")
    assert lab.mirror("notes") == []


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.csv", "csv"), ("A.CSV", "csv"), ("a.tsv.gz", "csv.gz"), ("a.b.jsonl.GZ", "ndjson.gz"), ("a.zip", "zip"),
        ("a.XLSX", "xlsx"), ("a.parquet.gz", "parquet.gz"),
    ],
)  # fmt: skip
def test_a_name_says_the_format(name: str, format_: str) -> None:
    assert format_of_file(name) == format_


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.xls", "save the sheet as .xlsx"),
        ("a.ods.gz", "save the sheet"),
        ("a", "does not say"),
        ("a.gz", "does not say"),
        ("a.zip.gz", "does not say"),
    ],
)
def test_another_name_does_not(name: str, words: str) -> None:
    with pytest.raises(ReadFailure, match=words):
        format_of_file(name)


# -- JSON in pieces ----------------------------------------------------------


def test_a_json_array_is_read_in_pieces() -> None:
    word = "é" * 100
    body = ("[" + ",\n".join(f'{{"id": {n}, "word": "{word}"}}' for n in range(1, 60_001)) + "]").encode()
    tracemalloc.start()
    try:
        count = 0
        for batch in open_body(io.BytesIO(body), CONTRACT.table("lab", "notes"), "json"):
            for row in batch.rows.to_pylist():
                count += 1
                assert (row["_row"], row["id"], row["word"]) == (count, str(count), word)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 60_000
    assert peak < 24 << 20, "the texts alone are 13 MB as UTF-8; a batch of them is held, as text and as rows"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_where_the_pieces_end_does_not_matter(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("loader.intake.decode.json_text._PIECE", size)
    body = ' [ {"id": 12345 , "word": "\\u00e9é\\n"},\n{"id":2},7.25, 125] '
    rows, aside = decode("json", body)
    assert [*values(rows)] == [(1, "12345", "éé\n"), (2, "2", None)]
    assert [row.payload["_line"] for row in aside] == ["7.25", "125"]
    with pytest.raises(ReadFailure, match=r"line 2, column 9 \(character 22\)"):
        decode("json", '[{"id": 123},\n {"id": }]')


def test_an_element_beyond_reason_ends_the_load() -> None:
    with pytest.raises(ReadFailure, match="longer than 4 MB"):
        decode("json", '[{"id": 1, "word": "' + "x" * (34 << 20) + '"}]')


def test_json_in_utf_16_is_found() -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        assert decode("json", '[{"id": 1, "word": "é"}]'.encode(encoding))[0] == [{"_row": 1, "id": "1", "word": "é"}]
        assert decode("ndjson", '{"id": 1, "word": "é"}\n'.encode(encoding))[0][0]["word"] == "é"


@pytest.mark.parametrize(("format_", "what"), [("parquet.gz", "Parquet file"), ("xlsx.gz", "Excel file")])
def test_what_is_packed_is_looked_at_before_it_is_unpacked(
    format_: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ReadFailure, match=f"what is packed is no {what}"):
        decode(format_, packed_by_gzip(CSV))
    monkeypatch.setattr(packed, "MOST_KEPT", 100)
    begin = b"PAR1" if what == "Parquet file" else b"PK"
    with pytest.raises(ReadFailure, match=f"the {what} unpacks to more than 0 GB"):
        decode(format_, packed_by_gzip(begin + bytes(200)))
