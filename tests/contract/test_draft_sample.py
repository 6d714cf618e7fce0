"""What a sample file says of types and keys: the narrowest with room to spare, text in doubt."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.contract.draft import DraftTable, table_lines
from loader.contract.draft_sample import draft_file
from loader.contract.types import parse_type
from loader.remedy import Remedy


def types(table: DraftTable) -> dict[str, str]:
    for column in table.columns:
        parse_type(column.data_type)  # each is one that the doors know
    return {column.name: column.data_type for column in table.columns}


def sample(folder: Path, name: str, text: str) -> DraftTable:
    path = folder / name
    path.write_text(text, "utf-8")
    return draft_file(path, "things")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-20"], "integer"),
        (["0", "99999999"], "integer"),
        (["123456789"], "bigint"),
        (["99999999999999999"], "bigint"),
        (["999999999999999999"], "numeric(22,0)"),
        (["1.5", "20"], "numeric(8,2)"),
        (["-0.1234", "1234.5"], "numeric(12,4)"),
        (["007", "12"], "text"),
        (["00.5"], "text"),
        (["+5"], "text"),
        (["1e5"], "text"),
        (["1,5"], "text"),
        (["NaN", "1"], "text"),
        (["٣"], "text"),
        (["true", "FALSE"], "boolean"),
        (["true", "no"], "text"),
        (["0", "1"], "integer"),
        (["2024-02-29"], "date"),
        (["2024-02-30"], "text"),
        (["01/02/2024"], "text"),
        (["2024-02-29T10:00:00Z", "2024-02-29 10:00+02:00"], "timestamptz"),
        (["2024-02-29T10:00"], "timestamp"),
        (["2024-02-29T10:00", "2024-02-29T10:00Z"], "text"),
        (["2024-02-29", "2024-02-29T10:00Z"], "text"),
        (["2024-02-29T25:00Z"], "text"),
        (["3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11"], "uuid"),
        (["3f1c9a520b6e4d6f9a3e5b2f6f0f7c11"], "text"),
    ],
)
def test_a_type_is_guessed_carefully(tmp_path: Path, values: list[str], expected: str) -> None:
    lines = ["other;value", *(f'x;"{value}"' for value in values), "x;"]
    assert types(sample(tmp_path, "a.csv", "\n".join(lines) + "\n"))["value"] == expected


def test_an_empty_column_is_text_and_says_so(tmp_path: Path) -> None:
    table = sample(tmp_path, "a.csv", "id,note\n1,\n2,\n")
    assert types(table) == {"id": "integer", "note": "text"}
    assert "empty in all" in table.columns[1].remark


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("id,a\n1,x\n2,x\n", ("id",)),
        ("name,order_id\nx,1\nx,2\n", ("order_id",)),
        ("isbn,copy_number,price\na,1,5\na,2,5\nb,1,5\n", ("isbn", "copy_number")),
        ("id,a\n1,x\n1,x\n", ()),
        ("id,a\n1,x\n,y\n", ()),
        ("id,a\n1,x\n", ()),
    ],
)
def test_a_key_is_proposed_only_if_unique_and_filled(tmp_path: Path, text: str, key: tuple[str, ...]) -> None:
    table = sample(tmp_path, "a.csv", text)
    assert table.primary_key == key
    assert ("guess" in table.key_remark) == bool(key)
    assert {column.name for column in table.columns if column.required} == set(key)


def test_json_says_what_is_a_number_and_what_a_text(tmp_path: Path) -> None:
    rows = [
        '{"id": 1, "zip": "12345", "tags": ["a", null], "sizes": [1, 2], "deep": [[1]], "more": {"a": 1}, "ok": true}',
        '{"id": 2, "zip": "99999", "tags": [], "sizes": null, "deep": [], "mixed": 1, "on": "2024-02-29"}',
        '{"id": 3, "mixed": "x", "price": 0.1}',
    ]
    assert types(sample(tmp_path, "a.ndjson", "\n".join(rows))) == {
        "id": "integer", "zip": "text", "tags": "text[]", "sizes": "integer[]", "deep": "jsonb", "more": "jsonb",
        "ok": "boolean", "mixed": "text", "on": "date", "price": "numeric(7,2)",
    }  # fmt: skip


def test_parquet_states_its_types(tmp_path: Path) -> None:
    made = pa.table(
        {
            "id": pa.array([1, 2], pa.int64()),
            "price": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
            "at": pa.array([datetime(2024, 2, 29, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
            "day": pa.array([date(2024, 2, 29)] * 2),
            "tags": pa.array([["a"], []], pa.list_(pa.string())),
            "numbers": pa.array([[1], None], pa.list_(pa.int32())),
            "uuid": pa.array(["3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11"] * 2),
        }
    )
    pq.write_table(made, tmp_path / "a.parquet")
    table = draft_file(tmp_path / "a.parquet", "things")
    assert types(table) == {
        "id": "bigint", "price": "numeric(9,2)", "at": "timestamptz", "day": "date", "tags": "text[]",
        "numbers": "integer[]", "uuid": "uuid",
    }  # fmt: skip
    assert table.primary_key == ("id",)


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("a.csv", b"id,id\n1,2\n", "twice"),
        ("a.csv", b"id,a\n1\n", "line 2 has 1 fields"),
        ("a.csv", b"id\n", "holds no row"),
        ("a.csv", b"", "holds no row|name is missing"),
        ("a.csv", b"id\n\xff\n", "can't be read"),
        ("a.ndjson", b"[1]\n", "no object"),
        ("a.ndjson", b'{"a": \n', "can't be read"),
        ("a.parquet", b"PAR1", "can't be read"),
        ("a.doc", b"x", "no sample"),
    ],
)
def test_a_sample_that_can_not_be_read_is_named(tmp_path: Path, name: str, body: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(Remedy, match=words):
        draft_file(tmp_path / name, "things")


def test_a_name_that_dbt_would_run_is_not_written(tmp_path: Path) -> None:
    table = sample(tmp_path, "odd.csv", "{{ env_var('PGPASSWORD') }}\n1\n")
    with pytest.raises(Remedy, match="as a template"):
        table_lines(table)
