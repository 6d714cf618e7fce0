"""A typed value written as text is read as the same value again: what waits once more loses nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from loader.contract.types import literal, parse_type
from tests.intake.lab import Lab


@pytest.mark.parametrize(
    ("data_type", "more", "texts"),
    [
        ("integer", {}, ["-7", "0"]),
        ("bigint", {}, ["9223372036854775807"]),
        ("numeric(12,2)", {}, ["1.50", "-3"]),
        ("numeric", {}, ["1e30", "0.000000000000000000001"]),
        ("double precision", {}, ["1e300", "0.1", "-2"]),
        ("text", {}, ["", " a'b\\ ", "\u202e"]),
        ("boolean", {}, ["yes", "f"]),
        ("date", {}, ["2024-02-29", "0001-01-01", "9999-12-31"]),
        ("date", {"format_": "DD.MM.YYYY"}, ["29.02.2024"]),
        ("timestamp", {}, ["2024-02-29 13:45:00.000001", "2024-02-29T00:00"]),
        ("timestamptz", {}, ["2024-02-29T13:45:00.5+05:30", "2024-02-29T13:45:00Z"]),
        ("timestamptz", {"timezone": "America/New_York"}, ["2024-07-01T12:00:00", "2024-11-03T01:30:00-05:00"]),
        ("timestamptz", {"format_": "DD/MM/YYYY HH24:MI", "timezone": "Europe/Berlin"}, ["01/07/2024 08:15"]),
        ("time", {}, ["13:45:00.25"]),
        ("uuid", {}, ["3F1C9A52-0b6e-4d6f-9a3e-5b2f6f0f7c11"]),
        ("jsonb", {}, ['{"b": [1, 2.50], "a": "\\u0041"}']),
    ],
)
def test_what_is_written_is_read_as_the_same_value(
    lab: Lab, data_type: str, more: dict[str, str], texts: list[str]
) -> None:
    made = parse_type(data_type, **more)
    with lab.engine.connect() as connection:
        for style in ("ISO, DMY", "German", "SQL, MDY"):
            connection.exec_driver_sql(f"set datestyle = '{style}'; set timezone = 'Asia/Kolkata'")
            for text in texts:
                typed = made.cast(literal(text) + "::text")
                written = connection.execute(sa.text(f"select {made.written(typed)}".replace(":", r"\:"))).scalar_one()
                again = literal(written) + "::text"
                query = f"select {made.accepts(again)} and {made.cast(again)} = {typed}"
                assert connection.execute(sa.text(query.replace(":", r"\:"))).scalar_one() is True, (style, written)
