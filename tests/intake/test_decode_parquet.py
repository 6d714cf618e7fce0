"""Parquet: typed values as the text that stands for them exactly."""

from __future__ import annotations

import json
import tracemalloc
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from io import BytesIO
from typing import Any

import pyarrow as pa
import pytest

from loader.contract.types import parse_type
from loader.intake.decode import ReadFailure
from loader.intake.decode import parquet as parquet_decoder
from loader.intake.decode.parquet import ParquetDecoder
from tests.intake.lab import CONTRACT, Lab, decode, parquet, table

MOMENT = datetime(2024, 2, 29, 13, 45, 0, 123456)  # noqa: DTZ001 - the zone, if any, is the column's
NANOSECONDS = 1709214300123456789
UUID = uuid.UUID("3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11")


def words(column: pa.Array) -> list[str | None]:
    rows, aside = decode("parquet", parquet({"id": pa.array(range(len(column))), "word": column}))
    assert aside == []
    return [row["word"] for row in rows]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([MOMENT, None], pa.timestamp("us")), ["2024-02-29T13:45:00.123456", None]),
        (pa.array([MOMENT], pa.timestamp("us", "UTC")), ["2024-02-29T13:45:00.123456Z"]),
        (pa.array([MOMENT], pa.timestamp("us", "America/New_York")), ["2024-02-29T13:45:00.123456Z"]),
        (pa.array([MOMENT], pa.timestamp("us", "+02:00")), ["2024-02-29T13:45:00.123456Z"]),
        (pa.array([MOMENT.replace(microsecond=5000)], pa.timestamp("ms")), ["2024-02-29T13:45:00.005"]),
        (pa.array([1709214300], pa.timestamp("s", "UTC")), ["2024-02-29T13:45:00.000Z"]),
        (pa.array([NANOSECONDS - 789], pa.timestamp("ns")), ["2024-02-29T13:45:00.123456"]),
        (pa.array([NANOSECONDS], pa.timestamp("ns", "UTC")), ["2024-02-29T13:45:00.123456789Z"]),
        (
            pa.array([NANOSECONDS, NANOSECONDS - 789, None], pa.timestamp("ns")),
            ["2024-02-29T13:45:00.123456789", "2024-02-29T13:45:00.123456", None],
        ),
        (pa.array([-62135596800000000], pa.timestamp("us")), ["0001-01-01T00:00:00.000000"]),
        (pa.array([Decimal("1.50"), Decimal("-123456789012345678.01")]), ["1.50", "-123456789012345678.01"]),
        (pa.array([Decimal("1.5")], pa.decimal256(50, 10)), ["1.5000000000"]),
        (pa.array(["a", "b", "a", None]).dictionary_encode(), ["a", "b", "a", None]),
        (pa.array([MOMENT]).dictionary_encode(), ["2024-02-29T13:45:00.123456"]),
        (pa.array([date(2024, 2, 29), date(1, 1, 1)]), ["2024-02-29", "0001-01-01"]),
        (pa.array([date(2024, 2, 29)], pa.date64()), ["2024-02-29"]),
        (pa.array([time(13, 45, 0, 5)], pa.time64("us")), ["13:45:00.000005"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([0.1, 1e300, 123456789.123]), ["0.1", "1e+300", "123456789.123"]),
        (pa.array([0.1], pa.float32()), ["0.1"]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.array([b"abc"]), ["abc"]),
        (pa.nulls(2), [None, None]),
        (
            pa.array([{"a": 1, "b": "x\u00e9", "c": b"y", "d": Decimal("1.10")}]),
            ['{"a": 1, "b": "x\\u00e9", "c": "y", "d": "1.10"}'],
        ),
        (pa.array([[1, 2], None, []]), ["[1, 2]", None, "[]"]),
        (pa.array([UUID.bytes, None], pa.uuid()), [str(UUID), None]),
        (pa.array(["", "\n"]), ["", "\n"]),
    ],
)
def test_a_typed_value_is_the_text_that_stands_for_it(column: pa.Array, expected: list[str | None]) -> None:
    assert words(column) == expected


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"ok", b"\xff"]),
        pa.array([b"\xff\xfe"], pa.binary(2)),
        pa.array([[b"\xff"]]),
        pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")),
    ],
)
def test_bytes_that_are_no_text_are_not_guessed_at(column: pa.Array) -> None:
    with pytest.raises(ReadFailure, match=r"UTF-8|utf-8"):
        words(column)


def test_a_row_with_a_nul_is_set_aside() -> None:
    rows, aside = decode("parquet", parquet({"id": [1, 2], "word": ["a\0", "b"]}))
    assert ([row["_row"] for row in rows], [row.row for row in aside]) == ([2], [1])


def test_rows_keep_their_numbers_across_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_decoder, "_ROWS", 7)
    rows, _ = decode("parquet", parquet({"id": [*range(1, 101)]}, row_group_size=30))
    assert [(row["_row"], row["id"]) for row in rows] == [(n, str(n)) for n in range(1, 101)]


_LONG = "x" * 20_000


@pytest.mark.parametrize(
    "make",
    [
        lambda: pa.array([_LONG] * 1000),
        lambda: pa.array([_LONG.encode()] * 1000, pa.large_binary()),
        lambda: pa.array([[_LONG, "a"]] * 1000),
        lambda: pa.array([[("key", _LONG)], None] * 500, pa.map_(pa.string(), pa.string())),
        lambda: pa.array([{"a": _LONG, "b": 1}] * 1000),
    ],
    ids=["text", "binary", "list", "map", "struct"],
)
def test_a_value_that_a_file_repeats_is_not_written_out_at_once(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], pa.Array]
) -> None:
    monkeypatch.setattr(parquet_decoder, "_BATCH_BYTES", 1 << 20, raising=False)
    body = parquet({"id": pa.array(range(1000)), "word": make()})
    assert len(body) < 1 << 20
    before, seen = pa.total_allocated_bytes(), 0
    for batch in ParquetDecoder(BytesIO(body), CONTRACT.table("lab", "notes")):
        assert batch.rows.nbytes <= 1 << 20
        assert pa.total_allocated_bytes() - before < 4 << 20
        assert batch.rows["_row"].to_pylist() == [*range(seen + 1, seen + batch.rows.num_rows + 1)]
        seen += batch.rows.num_rows
    assert seen == 1000


def test_long_values_that_differ_are_read_a_few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_decoder, "_BATCH_BYTES", 1 << 20, raising=False)
    words = [f"{number}{_LONG}" for number in range(500)]
    body = BytesIO(parquet({"id": [*range(500)], "word": words}, use_dictionary=False))
    found: list[str] = []
    for batch in ParquetDecoder(body, CONTRACT.table("lab", "notes")):
        assert batch.rows.nbytes <= 1 << 20
        found += batch.rows["word"].to_pylist()
    assert found == words


def test_a_row_group_of_too_many_different_texts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_decoder, "_GROUP_BYTES", 2 << 20, raising=False)
    columns = {"id": [*range(500)], "word": [f"{number}{_LONG}" for number in range(500)]}
    monkeypatch.setattr(parquet_decoder, "_ROWS", 20)
    with pytest.raises(ReadFailure, match="more than 2 MB of different texts; write the file in smaller row groups"):
        decode("parquet", parquet(columns))
    rows, _ = decode("parquet", parquet(columns, row_group_size=50))
    assert [row["_row"] for row in rows] == [*range(1, 501)]


def test_a_page_that_expands_as_no_table_does_is_not_unpacked() -> None:
    zeros = {"id": pa.repeat(pa.scalar(0), 10_000_000)}
    body = parquet(zeros, compression="zstd", use_dictionary=False, data_page_size=2**30, row_group_size=10_000_000)
    assert len(body) < 100_000
    with pytest.raises(ReadFailure, match="the column 'id' unpacks to more than 250 times its size"):
        ParquetDecoder(BytesIO(body), CONTRACT.table("lab", "notes"))


def test_a_row_wider_than_a_batch_comes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_decoder, "_BATCH_BYTES", 100, raising=False)
    batches = [*ParquetDecoder(BytesIO(parquet({"id": [1, 2], "word": [_LONG] * 2})), CONTRACT.table("lab", "notes"))]
    assert [batch.rows.num_rows for batch in batches] == [1, 1]


def one_list(values: pa.Array) -> pa.Array:
    """A column of one row that holds them all."""
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)


def repeated(text: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([text]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pa.nulls(300_000, pa.int8()), "the lists of the Parquet file hold 299,999 values in"),
        (lambda: pa.nulls(6_000_000, pa.int8()), "a row group hold 5,999,999 values, which take more than 48 MB"),
        (lambda: pa.array([b"x" * 4000] * 20_000, pa.binary(4000)), "hold 19,999 values, which take more than 48 MB"),
    ],
    ids=["values", "bytes", "fixed"],
)
def test_values_of_a_list_that_take_no_room_are_not_counted_without_end(
    make: Callable[[], pa.Array], message: str
) -> None:
    body = parquet({"id": [1], "word": one_list(make())}, compression="zstd", store_schema=False)
    assert len(body) < 40_000
    before = pa.total_allocated_bytes()
    with pytest.raises(ReadFailure, match=message):
        ParquetDecoder(BytesIO(body), CONTRACT.table("lab", "notes"))
    assert pa.total_allocated_bytes() - before < 1 << 20


@pytest.mark.parametrize(
    "make",
    [
        lambda: one_list(repeated(_LONG, 2000)),
        lambda: one_list(pa.array([""] * 110_000)),
        lambda: pa.array([{"a": ["x"] * 60_000, "b": [1] * 60_000}]),
        lambda: pa.array(["x" * (5 << 20)]),
    ],
    ids=["a text again and again", "empty texts", "a struct", "one text"],
)
def test_a_row_wider_than_a_record_is_refused_with_its_number(make: Callable[[], pa.Array]) -> None:
    row = make()
    column = pa.chunked_array([pa.nulls(2, row.type), row, pa.nulls(1, row.type)])
    body = parquet({"id": [1, 2, 3, 4], "word": column}, compression="zstd", store_schema=False)
    tracemalloc.start()
    try:
        with pytest.raises(ReadFailure, match="row 3 takes more than 4 MB: it is no record of a table; shorten its"):
            decode("parquet", body)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_row_is_measured_by_its_own_values_not_by_the_widest_of_all() -> None:
    lists = [["a"] * 2000, [_LONG], None, ["b", None]]
    maps = pa.array([[("k", _LONG)], [], None, [("k", "v")] * 2000], pa.map_(pa.string(), pa.string()))
    rows, _ = decode("parquet", parquet({"id": [1, 2, 3, 4], "word": lists}))
    assert [row["word"] and json.loads(row["word"]) for row in rows] == lists
    rows, _ = decode("parquet", parquet({"id": [1, 2, 3, 4], "word": maps}))
    assert [row["word"] and len(json.loads(row["word"])) for row in rows] == [1, 0, None, 2000]


def test_a_value_of_fixed_length_is_read_as_often_as_a_batch_may_hold_it() -> None:
    body = parquet({"id": [*range(20_000)], "word": pa.array([b"x" * 4000] * 20_000, pa.binary(4000))})
    assert len(body) < 1 << 20
    before, seen = pa.total_allocated_bytes(), 0
    for batch in ParquetDecoder(BytesIO(body), CONTRACT.table("lab", "notes")):
        assert batch.rows.nbytes <= 33 << 20
        assert pa.total_allocated_bytes() - before < 140 << 20, "80 MB would be one column of one batch"
        seen += batch.rows.num_rows
    assert seen == 20_000


def test_a_length_that_no_type_needs_is_refused_before_it_is_read() -> None:
    body = parquet({"id": [1, 2], "word": pa.array([b"x" * 100_000] * 2, pa.binary(100_000))})
    with pytest.raises(ReadFailure, match=r"the column 'word' has values of 100,000 bytes each.*; write it as text"):
        ParquetDecoder(BytesIO(body), CONTRACT.table("lab", "notes"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1], "wrd": ["a"]}, "no column 'wrd'"),
        ({"word": ["a"]}, "'id' is missing"),
        ({"ID": [1]}, "column 1 of the header is 'id' but for capitals or blanks"),
        ({"one": [1]}, "none of the columns of lab.notes; its columns are: id, word"),
        ({f"c{number}": [1] for number in range(5001)}, "5,001 columns; at most 5,000"),
    ],
)
def test_the_columns_must_be_the_tables(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ReadFailure, match=message):
        decode("parquet", parquet(columns))


def test_a_column_named_twice_is_not_chosen_from() -> None:
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["id", "id"])
    with pytest.raises(ReadFailure, match="'id' stands there twice"):
        decode("parquet", parquet(twice))


WHOLE = parquet({"id": [*range(100)], "word": ["x" * 50] * 100})


@pytest.mark.parametrize(
    "body", [b"", b"PAR1", b"id,word\n1,a\n", WHOLE[:-10], WHOLE[: len(WHOLE) // 2], WHOLE[10:], WHOLE + b"x"]
)
def test_what_is_no_whole_parquet_file_cannot_be_read(body: bytes) -> None:
    with pytest.raises(ReadFailure):
        decode("parquet", body)


def test_a_file_of_no_rows_is_a_load_of_none(lab: Lab) -> None:
    receipt = lab.load("notes", parquet({"id": pa.array([], pa.int64())}), "parquet")
    assert (receipt.status, receipt.received) == ("succeeded", 0)


def test_times_and_decimals_arrive_unchanged(lab: Lab) -> None:
    columns = {
        "id": [1, 2, 3],
        "note": ["a", "b", "c"],
        "updated_at": pa.array(
            [1709214300123456000, 1709214300123456789, 253402300800 * 10**9 // 100], pa.timestamp("ns", "UTC")
        ),
    }
    receipt = lab.load("orders", parquet(columns), "parquet")
    assert [(r.row, r.column, r.rule) for r in receipt.rejects] == [(2, "updated_at", "data_type")], (
        "nanoseconds are not rounded"
    )
    assert lab.mirror("orders")[0][2] == "2024-02-29 13:45:00.123456+00"


def test_rows_that_take_no_room_are_not_counted_without_end() -> None:
    body = parquet({"id": pa.nulls(300_000, pa.int32())}, row_group_size=300_000, max_rows_per_page=300_000)
    assert len(body) < 1000
    with pytest.raises(ReadFailure, match="holds 300,000 rows in"):
        ParquetDecoder(BytesIO(body), CONTRACT.table("lab", "notes"))


@pytest.mark.parametrize(
    ("data_type", "more", "column", "expected"),
    [
        ("date", {"format": "DD.MM.YYYY"}, pa.array([date(1980, 1, 31), None], pa.date32()), ["31.01.1980", None]),
        ("date", {"format": "DD.MM.YYYY"}, pa.array([date(1, 1, 31)], pa.date64()), ["31.01.0001"]),
        ("date", {"format": "YYYYMMDD"}, pa.array([datetime(2024, 2, 29)], pa.timestamp("us")), ["20240229"]),  # noqa: DTZ001
        ("date", {"format": "YYYYMMDD"}, pa.array([MOMENT], pa.timestamp("us")), ["2024-02-29T13:45:00.123456"]),
        (
            "timestamp", {"format": "DD.MM.YYYY HH24:MI:SS"},
            pa.array([MOMENT.replace(microsecond=0), MOMENT], pa.timestamp("us")),
            ["29.02.2024 13:45:00", "2024-02-29T13:45:00.123456"],
        ),
        (
            "timestamptz", {"format": "MM/DD/YYYY HH24:MI:SS", "timezone": "America/New_York"},
            pa.array([MOMENT.replace(microsecond=0)], pa.timestamp("ms", "UTC")), ["02/29/2024 08:45:00"],
        ),
        ("date", {"format": "DD.MM.YYYY"}, pa.array(["31.01.1980", "x"]), ["31.01.1980", "x"]),
    ],
)  # fmt: skip
def test_a_date_stands_as_its_column_has_it(
    data_type: str, more: dict[str, str], column: pa.Array, expected: list[str | None]
) -> None:
    shape = table("dated", "id bigint", f"moment {data_type}")
    kind = parse_type(data_type, more.get("format"), more.get("timezone"))
    shape = replace(shape, columns=(shape.columns[0], replace(shape.columns[1], type=kind)))
    body = BytesIO(parquet({"id": pa.array(range(len(column))), "moment": column}))
    [batch] = ParquetDecoder(body, shape)
    assert batch.rows.column("moment").to_pylist() == expected
