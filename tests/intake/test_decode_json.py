"""JSON and NDJSON: numbers kept as they are written, and every record in its place."""

from __future__ import annotations

import json
import tracemalloc
from io import BytesIO
from time import process_time

import pyarrow as pa
import pytest

from loader.intake.decode import FEW, ReadFailure, open_body
from loader.intake.decode.json import _write
from loader.intake.decode.json_text import parse
from tests.intake.lab import CONTRACT, Lab, decode, values


def word(text: str) -> str | None:
    """The value of ``word`` as the decoder gives it, written in JSON as ``text``."""
    rows, aside = decode("ndjson", '{"id": 1, "word": ' + text + "}")
    assert not aside, aside
    found: str | None = rows[0]["word"]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1", "0.1"),
        ("0.1000000000000000000000000001", "0.1000000000000000000000000001"),
        ("9007199254740993", "9007199254740993"),
        ("1" * 5000, "1" * 5000),
        ("1.50", "1.50"),
        ("-0", "-0"),
        ("1E400", "1E400"),
        ("true", "true"),
        ("false", "false"),
        ("null", None),
        ('""', ""),
        ('"null"', "null"),
        ('"\\u00e9\\n\\ud83c\\udf88"', "é\n🎈"),
        ('[1.0, {"a": 1e5, "b": []}, {}]', '[1.0, {"a": 1e5, "b": []}, {}]'),
        ('["a\\u0000"]', '["a\\u0000"]'),
    ],
)
def test_a_value_is_kept_as_it_is_written(text: str, expected: str | None) -> None:
    assert word(text) == expected


@pytest.mark.parametrize("depth", [10, 300, 450, 600])
def test_a_deeply_nested_value_is_kept(depth: int) -> None:
    text = "[" * depth + "0.10" + "]" * depth
    assert word(text) == text
    objects = '{"a": ' * depth + "0.10" + "}" * depth
    assert word(objects) == objects
    rows, _ = decode("json", '[{"id": 1, "word": ' + text + "}]")
    assert rows[0]["word"] == text


def test_what_is_nested_beyond_reading_is_one_refused_line_or_an_unreadable_body() -> None:
    deep = '{"id": 1, "word": ' + "[" * 100_000 + "]" * 100_000 + "}"
    rows, aside = decode("ndjson", deep + '\n{"id": 2}')
    assert ([row["id"] for row in rows], [row.row for row in aside]) == (["2"], [1])
    assert aside[0].payload == {"_line": deep}
    with pytest.raises(ReadFailure, match="nested too deeply"):
        decode("json", deep)


def test_a_broken_line_is_one_refused_row_and_says_where() -> None:
    rows, aside = decode(
        "ndjson", b'\xef\xbb\xbf{"id": 1}\r\n{"id": 2,}\n\n  \n{"id": 3}\n{"id": "\xff"}\n{"id": 5} {}'
    )
    assert [*values(rows)] == [(1, "1", None), (3, "3", None)]
    assert [(row.row, row.rule, row.payload["_line"]) for row in aside] == [
        (2, "unreadable", '{"id": 2,}'),
        (4, "unreadable", '{"id": "\\xff"}'),
        (5, "unreadable", '{"id": 5} {}'),
    ]
    assert "line 1, column" in aside[0].message
    assert "byte 8" in aside[1].message


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "'a'", "0x10", "undefined"])
def test_what_is_not_json_is_not_taken_for_it(text: str) -> None:
    _, aside = decode("ndjson", '{"id": ' + text + "}")
    assert [row.rule for row in aside] == ["unreadable"]


@pytest.mark.parametrize("format_", ["json", "ndjson"])
def test_a_record_of_another_shape_is_one_refused_row(format_: str) -> None:
    records = ["[1, 2.50]", "3", "null", '"x"', '{"id": 1}']
    body = "[" + ",".join(records) + "]" if format_ == "json" else "\n".join(records)
    rows, aside = decode(format_, body)
    assert [row["_row"] for row in rows] == [5]
    assert [row.payload["_line"] for row in aside] == records[:4]


def test_a_key_named_twice_is_refused_and_not_decided() -> None:
    _, aside = decode("ndjson", '{"id": 1, "id": 2}')
    assert aside[0].message == "names 'id' twice"
    _, aside = decode("ndjson", '{"id": 1, "word": {"a": 1, "a": 1}}')
    assert aside[0].message == "names 'a' twice"
    with pytest.raises(ReadFailure, match="names 'id' twice"):
        decode("json", '[{"id": 1, "id": 2}]')


def test_an_unknown_column_is_a_refused_row_that_keeps_what_came() -> None:
    rows, aside = decode("ndjson", '{"id": 1, "wrd": [1.0], "w\\u0000\\ud800": null}\n{"ID": 1}')
    assert rows == []
    assert (aside[0].rule, aside[0].column) == ("unknown_column", "wrd")
    assert aside[0].payload == {"id": "1", "wrd": "[1.0]", "w␀\\ud800": None}
    assert aside[1].column == "ID"


def test_half_a_surrogate_pair_and_a_nul_are_refused_readably() -> None:
    _, aside = decode("ndjson", '{"id": 1, "word": "a\\ud83c"}\n{"id": 2, "word": "a\\u0000"}')
    assert [(row.row, row.column, row.payload["word"]) for row in aside] == [
        (1, "word", "a\\ud83c"),
        (2, "word", "a␀"),
    ]


def test_the_order_of_keys_and_absent_ones_do_not_matter() -> None:
    rows, _ = decode("ndjson", '{"word": "a", "id": 1}\n{"id": 2}\n{}')
    assert [*values(rows)] == [(1, "1", "a"), (2, "2", None), (3, None, None)]


@pytest.mark.parametrize(
    ("body", "ids"), [('{"id": 1}', ["1"]), ('\ufeff[{"id": 1}, {"id": 2}]', ["1", "2"]), (" [] ", [])]
)
def test_a_json_body_is_an_object_or_an_array(body: str, ids: list[str]) -> None:
    assert [row["id"] for row in decode("json", body)[0]] == ids


@pytest.mark.parametrize(
    "body", ["", "3", '"x"', "null", '[{"id": 1}', '[{"id": 1},]', "{} {}", b'{"id": "\xff"}', '{"id": NaN}']
)
def test_another_json_body_cannot_be_read(body: str | bytes) -> None:
    with pytest.raises(ReadFailure, match=r"^the body "):
        decode("json", body)


def test_the_position_in_a_broken_body_is_named() -> None:
    with pytest.raises(ReadFailure, match="line 2, column 9 "):
        decode("json", '[{"id": 1},\n {"id": }]')


def test_rows_beyond_one_batch_keep_their_numbers() -> None:
    lines = [json.dumps({"id": number}) if number % 7 else "x" for number in range(1, 25_001)]
    rows, aside = decode("ndjson", "\n".join(lines))
    assert all(row["id"] == str(row["_row"]) for row in rows)
    assert [row.row for row in aside] == [number for number in range(1, 25_001) if not number % 7]


@pytest.mark.parametrize("format_", ["json", "ndjson"])
@pytest.mark.parametrize("name", ["word", "wrd"])
def test_a_batch_ends_at_so_much_text(format_: str, name: str) -> None:
    lines = [json.dumps({"id": number, name: "x" * (3 << 20)}) for number in range(1, 5)]
    body = "[" + ",".join(lines) + "]" if format_ == "json" else "\n".join(lines)
    batches = [*open_body(BytesIO(body.encode()), CONTRACT.table("lab", "notes"), format_)]
    received = [batch.received for batch in batches]
    assert sum(received) == 4
    assert max(received) <= 3  # of NDJSON a batch ends with its block, too


def test_a_line_beyond_reason_ends_the_load() -> None:
    line = '{"id": 1, "word": "' + "x" * (16 << 20) + '"}'
    with pytest.raises(ReadFailure, match="longer than 4 MB: write one record a line"):
        decode("ndjson", line)


def test_a_key_named_twice_among_many_is_found_at_once() -> None:
    keys = ", ".join(f'"k{number}": 1' for number in range(20_000))
    start = process_time()
    _, aside = decode("ndjson", "{" + keys + ', "k19999": 2}')
    assert aside[0].message == "names 'k19999' twice"
    assert process_time() - start < 1


def test_json_in_a_json_column_keeps_its_numbers(lab: Lab) -> None:
    body = (
        '{"id": 1, "body": {"a": 12345678901234567890.10, "b": "x"}}\n{"id": 2, "body": "x"}\n{"id": 3, "body": 1.50}'
    )
    assert lab.load("papers", body, "ndjson").clean
    assert [body for _, body, _ in lab.mirror("papers")] == ['{"a": 12345678901234567890.10, "b": "x"}', '"x"', "1.50"]


def test_what_jsonb_cannot_hold_is_a_refused_row(lab: Lab) -> None:
    lines = [
        '{"id": 1, "body": "\\u0000"}',
        '{"id": 2, "body": "\\ud800"}',
        '{"id": 3, "text": "\\ud800"}',
        '{"id": 4, "zzz": "\\u0000"}',
    ]
    receipt = lab.load("papers", "\n".join(lines), "ndjson")
    assert [reject.rule for reject in receipt.rejects] == ["data_type", "unreadable", "unreadable", "unknown_column"]


def test_a_value_of_a_million_brackets_takes_no_more_than_its_text() -> None:
    text = "[" + ", ".join(["{}"] * 300_000) + ', {"a": [1.0, null], "b": {"c": "d"}}]'
    value = parse(text)
    tracemalloc.start()
    try:
        assert _write(value) == text
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_of_a_long_name_that_the_table_has_not_a_part_is_shown_and_all_is_kept() -> None:
    name = "n" * 5000
    _, (row,) = decode("ndjson", json.dumps({"id": 1, name: "x"}))
    assert (row.rule, row.column) == ("unknown_column", "n" * 200)
    assert len(row.message) < 300
    assert row.payload[name] == "x"


@pytest.mark.parametrize("count", [1, FEW, FEW + 1])
def test_a_few_rows_are_what_many_are(count: int) -> None:
    """Of a few no Arrow is made unless it is asked for; then it is the same."""
    objects = [{"id": number, "word": None if number % 2 else "été"} for number in range(count)]
    (batch,) = open_body(BytesIO(json.dumps(objects).encode()), CONTRACT.find("lab.notes"), "json")
    texts = [{"_row": place, "id": str(each["id"]), "word": each["word"]} for place, each in enumerate(objects, 1)]
    assert [{name: row[name] for name in ("_row", "id", "word")} for row in batch.dicts] == texts
    assert batch.received == batch.rows.num_rows == count
    assert batch.rows.to_pylist() == batch.dicts
    assert batch.rows.schema.field("_row").type == pa.int64()
    assert {batch.rows.schema.field(name).type for name in batch.rows.schema.names[1:]} == {pa.string()}
    assert batch.size >= sum(len(row["id"]) + len(row["word"] or "") for row in texts)
