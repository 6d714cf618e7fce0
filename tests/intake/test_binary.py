"""Rows in COPY's binary format are the values that PostgreSQL reads from their text."""

from __future__ import annotations

from io import BytesIO

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from loader.contract.types import DataType, literal, parse_type
from loader.intake.binary import Binary
from tests.intake.lab import table
from tests.intake.test_types_plain import ANY, NEAR, SEEDED

WRITTEN = {
    "smallint": ["0", "-0", "-9999", "007"],
    "integer": ["123456789", "-1", "000000001"],
    "bigint": ["999999999999999999", "-999999999999999999"],
    "numeric(12,2)": [
        "0", "-0.0", "0.5", "-0.05", "1.5", "9999999999.99",
        "-9999999999.9", "0000000001.10", "10000", "0.01",
    ],
    "numeric(18,3)": ["999999999999999.999", "-123456789012345", "100000000.001"],
    "numeric(38,6)": ["12345678901234567890123456789012.123456", "-0.000001"],
    "numeric(18,0)": ["999999999999999999", "10000", "-10001"],
    "numeric(5,4)": ["0.0001", "9.9999", "1"],
    "numeric(2,2)": [],
    "text": ["", " ", "é🎈", '"', "\\N", "a,b\nc\td\r", "null"],
    "varchar(5)": ["", "12345", "é🎈日"],
    "boolean": ["true", "false"],
    "date": ["1000-01-01", "1582-10-10", "1969-12-31", "1999-12-31", "2000-01-01", "9999-12-31"],
    "timestamp": [
        "1000-01-01 00:00", "1999-12-31T23:59:59.999999", "9999-12-31 23:59:59.9", "2024-02-28T13:45:00.000001",
    ],
    "timestamptz": [
        "1000-01-01T00:00Z", "2024-01-31 00:30:00+14:59", "2024-01-31T23:30-0530", "9999-12-31T23:59:59.999999-14:00",
    ],
    "uuid": ["3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11", "FFFFFFFF-ffff-0000-AaAa-0123456789aB"],
}  # fmt: skip
LEFT = ["numeric", "numeric(39,2)", "time", "text[]"]


def copied(engine: sa.Engine, kind: DataType, values: list[str | None]) -> list[tuple[bool, str]] | None:
    """Of each value, copied, whether it is what its text casts to, and how it shows."""
    shape = table("one", "id bigint", f"v {kind.sql}")
    numbers = pa.array(range(1, len(values) + 1), pa.int64())
    body = Binary(shape).write(pa.record_batch([numbers, pa.array(values, pa.string())], ["_row", "v"]))
    if body is None:
        return None
    casts = ", ".join(
        f"({place}, {f'({literal(value)})::{kind.sql}' if value is not None else f'null::{kind.sql}'})"
        for place, value in enumerate(values, 1)
    )
    with engine.connect() as connection, connection.connection.cursor() as cursor:
        cursor.execute(f"create temp table one (_row bigint, v {kind.sql})")
        cursor.copy_expert("copy pg_temp.one from stdin (format binary)", BytesIO(body))
        if not values:
            return []
        cursor.execute(
            f"select one.v is not distinct from t.v and one.v::text is not distinct from t.v::text, one.v::text "
            f"from pg_temp.one inner join (values {casts}) as t (_row, v) on t._row = one._row order by one._row"
        )
        found: list[tuple[bool, str]] = cursor.fetchall()
        connection.connection.rollback()
    return found


def plain(kind: DataType, values: list[str]) -> list[str]:
    if kind.plain is None:
        return []
    matches = pc.match_substring_regex(pa.array(values, pa.string()), kind.plain).to_pylist()
    return [value for value, is_plain in zip(values, matches, strict=True) if is_plain]


@pytest.mark.parametrize("name", WRITTEN)
def test_known_values(lab_engine: sa.Engine, name: str) -> None:
    kind = parse_type(name)
    assert plain(kind, WRITTEN[name]) == WRITTEN[name]
    found = copied(lab_engine, kind, [None, *WRITTEN[name], None])
    assert found is not None
    assert len(found) == len(WRITTEN[name]) + 2
    assert [shown for is_same, shown in found if not is_same] == []


@pytest.mark.parametrize("name", WRITTEN)
@SEEDED
@given(data=st.data())
def test_any_plain_value(lab_engine: sa.Engine, name: str, data: st.DataObject) -> None:
    kind = parse_type(name)
    made = [st.from_regex(kind.plain, fullmatch=True)] if kind.plain else [NEAR, ANY]
    values = data.draw(st.lists(st.one_of(*made), min_size=1, max_size=30))
    values = plain(kind, [value for value in values if "\0" not in value])
    found = copied(lab_engine, kind, [*values])
    if found is not None:
        assert [shown for is_same, shown in found if not is_same] == []


@pytest.mark.parametrize("name", LEFT)
def test_other_types_are_left_to_text(name: str) -> None:
    rows = pa.record_batch([pa.array([1], pa.int64()), pa.array(["1"], pa.string())], ["_row", "v"])
    writes = Binary(table("one", "id bigint", f"v {name}"))
    assert writes.write(rows) is None
    # a column of which no value is given asks for nothing
    assert writes.write(rows.set_column(1, "v", pa.array([None], pa.string()))) is not None


def test_no_rows_are_a_whole_body(lab_engine: sa.Engine) -> None:
    assert copied(lab_engine, parse_type("text"), []) == []
