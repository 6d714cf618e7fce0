"""Values are taken only if storing them loses and guesses nothing (DESIGN, section 4)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from loader.contract.types import DataType, UnknownType, literal, parse_type
from tests.intake.lab import Lab

NEW_YORK = {"timezone": "America/New_York"}
#: (data_type, options, value, the text of what is stored or None when it is refused)
CASES: list[tuple[str, dict[str, str], str, str | None]] = [
    # whole numbers
    ("integer", {}, "0", "0"),
    ("integer", {}, "-2147483648", "-2147483648"),
    ("integer", {}, "2147483647", "2147483647"),
    ("integer", {}, "2147483648", None),
    ("integer", {}, "+7", "7"),
    ("integer", {}, "007", "7"),
    ("integer", {}, "1.0", None),
    ("integer", {}, "1e3", None),
    ("integer", {}, "0x10", None),
    ("integer", {}, "0o17", None),
    ("integer", {}, "0b1", None),
    ("integer", {}, "1_000", None),
    ("integer", {}, "1,234", None),
    ("integer", {}, " 1", None),
    ("integer", {}, "1\n", None),
    ("integer", {}, "", None),
    ("integer", {}, "-", None),
    ("integer", {}, "٣", None),
    ("integer", {}, "３", None),
    ("integer", {}, "²", None),
    ("integer", {}, "\\N", None),
    ("integer", {}, "1" * 100_000, None),
    ("smallint", {}, "32768", None),
    ("smallint", {}, "-32768", "-32768"),
    ("bigint", {}, "9223372036854775807", "9223372036854775807"),
    ("bigint", {}, "9223372036854775808", None),
    ("bigint", {}, "0" * 30 + "1", "1"),
    # decimals
    ("numeric(12,2)", {}, "1.005", None),
    ("numeric(12,2)", {}, "1.00500", None),
    ("numeric(12,2)", {}, "1.01000", "1.01"),
    ("numeric(12,2)", {}, "1", "1.00"),
    ("numeric(12,2)", {}, ".5", "0.50"),
    ("numeric(12,2)", {}, "5.", "5.00"),
    ("numeric(12,2)", {}, "1e-2", "0.01"),
    ("numeric(12,2)", {}, "1e-3", None),
    ("numeric(12,2)", {}, "9999999999.99", "9999999999.99"),
    ("numeric(12,2)", {}, "9999999999.995", None),
    ("numeric(12,2)", {}, "10000000000", None),
    ("numeric(12,2)", {}, "1e10", None),
    ("numeric(12,2)", {}, "0e999", "0.00"),
    ("numeric(12,2)", {}, "1,234.5", None),
    ("numeric(12,2)", {}, "1.234,5", None),
    ("numeric(12,2)", {}, "$1.50", None),
    ("numeric(12,2)", {}, "NaN", None),
    ("numeric(12,2)", {}, "Infinity", None),
    ("numeric(12,2)", {}, "-inf", None),
    ("numeric(12,2)", {}, "0x10", None),
    ("numeric(12,2)", {}, "1_0.5", None),
    ("numeric(12,2)", {}, "--1", None),
    ("numeric(12,2)", {}, "-0", "0.00"),
    ("numeric(12,2)", {}, "1e400", None),
    ("numeric(12,2)", {}, "1e1000", None),
    ("numeric(12,2)", {}, "٣.٥", None),
    ("numeric(2,2)", {}, "0.99", "0.99"),
    ("numeric(2,2)", {}, "1", None),
    ("numeric(3)", {}, "999", "999"),
    ("numeric(3)", {}, "1.5", None),
    ("numeric", {}, "1.0050", "1.0050"),
    ("numeric", {}, "NaN", None),
    ("numeric", {}, "1" * 200_000, None),
    ("double precision", {}, "0.1", "0.1"),
    ("double precision", {}, "1e300", "1e+300"),
    ("double precision", {}, "1e400", None),
    ("double precision", {}, "1e-400", None),
    ("double precision", {}, "0.10000000000000000555", None),
    ("double precision", {}, "9007199254740993", None),
    ("double precision", {}, "NaN", None),
    ("double precision", {}, "-infinity", None),
    # words
    ("text", {}, "", ""),
    ("text", {}, "\\N", "\\N"),
    ("text", {}, "can't", "can't"),
    ("varchar(3)", {}, "abc", "abc"),
    ("varchar(3)", {}, "abcd", None),
    ("varchar(3)", {}, "abc ", None),  # Postgres would cut the blank in silence
    ("varchar(3)", {}, "日本語", "日本語"),
    ("varchar(3)", {}, "a\nb", "a\nb"),
    ("boolean", {}, "TRUE", "true"),
    ("boolean", {}, "0", "false"),
    ("boolean", {}, "off", None),
    ("boolean", {}, "tr", None),
    ("boolean", {}, " true", None),
    ("uuid", {}, "3F1C9A52-0B6E-4D6F-9A3E-5B2F6F0F7C11", "3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11"),
    ("uuid", {}, "3f1c9a520b6e4d6f9a3e5b2f6f0f7c11", None),
    ("uuid", {}, "{3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11}", None),
    ("jsonb", {}, '{"a": 1.10}', '{"a": 1.10}'),
    ("jsonb", {}, '{"a": 1, "a": 2}', None),
    ("jsonb", {}, "{'a': 1}", None),
    ("jsonb", {}, '"\\u0000"', None),
    ("jsonb", {}, "NaN", None),
    ("jsonb", {}, "", None),
    ("jsonb", {}, "[" * 100_000, None),
    ("jsonb", {}, "[" * 100_000 + "]" * 100_000, None),
    # arrays: JSON, each element by its type
    ("integer[]", {}, "[1, 2, null]", "{1,2,NULL}"),
    ("integer[]", {}, " [ ] ", "{}"),
    ("integer[]", {}, '["007"]', "{7}"),
    ("integer[]", {}, "{1,2}", None),
    ("integer[]", {}, "{}", None),
    ("integer[]", {}, "1", None),
    ("integer[]", {}, "", None),
    ("integer[]", {}, "null", None),
    ("integer[]", {}, "[1.0]", None),
    ("integer[]", {}, "[1e2]", None),
    ("integer[]", {}, "[2147483648]", None),
    ("integer[]", {}, "[[1], [2]]", None),
    ("integer[]", {}, '[1, {"a": 1}]', None),
    ("integer[]", {}, "[1,]", None),
    ("integer[]", {}, "[" * 100_000, None),
    ("integer[]", {}, "[" + "1," * 20_000 + "x]", None),
    ("text[]", {}, '["a,b", "\\"", "null", null, "", "\\u00e9"]', '{"a,b","\\"","null",NULL,"",é}'),
    ("text[]", {}, '["[[{", "\\\\", "]"]', '{"[[{","\\\\",]}'),
    ("text[]", {}, '["\\u0000"]', None),
    ("text[]", {}, '["\\ud800"]', None),
    ("text[]", {}, "[1.50, true]", "{1.50,true}"),
    ("varchar(3)[]", {}, '["abc"]', "{abc}"),
    ("varchar(3)[]", {}, '["abc "]', None),
    ("numeric(6,2)[]", {}, '[1.5, "1e1"]', "{1.50,10.00}"),
    ("numeric(6,2)[]", {}, "[1.005]", None),
    ("double precision[]", {}, "[9007199254740993]", None),
    ("double precision[]", {}, "[null]", "{NULL}"),
    ("numeric(6,2)[]", {}, "[null]", "{NULL}"),
    ("boolean[]", {}, '[true, "no", 1]', "{t,f,t}"),
    ("boolean[]", {}, '["on"]', None),
    ("date[]", {}, '["2024-02-29"]', "{2024-02-29}"),
    ("date[]", {}, '["2024-02-30"]', None),
    ("date[]", {}, '["today"]', None),
    ("timestamptz[]", {}, '["2024-02-29T13:45:00+02:00"]', '{"2024-02-29 11:45:00+00"}'),
    ("timestamptz[]", {}, '["2024-02-29T13:45:00"]', None),
    ("time[]", {}, '["24:00"]', None),
    ("uuid[]", {}, '["3F1C9A52-0B6E-4D6F-9A3E-5B2F6F0F7C11"]', "{3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11}"),
    # days
    ("date", {}, "2024-02-29", "2024-02-29"),
    ("date", {}, "2024-02-30", None),
    ("date", {}, "2023-02-29", None),
    ("date", {}, "1900-02-29", None),
    ("date", {}, "2024-2-9", None),
    ("date", {}, "0000-00-00", None),
    ("date", {}, "0000-01-01", None),
    ("date", {}, "0001-01-01", "0001-01-01"),
    ("date", {}, "9999-12-31", "9999-12-31"),
    ("date", {}, "10000-01-01", None),
    ("date", {}, "01/02/2024", None),
    ("date", {}, "20240229", None),
    ("date", {}, "2024-02-29T00:00:00Z", None),
    ("date", {}, "29 Feb 2024", None),
    ("date", {}, "today", None),
    ("date", {}, "now", None),
    ("date", {}, "epoch", None),
    ("date", {}, "infinity", None),
    ("date", {}, "2024-02-29 BC", None),
    ("date", {}, "٢٠٢٤-٠٢-٢٩", None),
    # times of day
    ("time", {}, "13:45", "13:45:00"),
    ("time", {}, "13:45:00.123456", "13:45:00.123456"),
    ("time", {}, "13:45:00.1234567", None),
    ("time", {}, "24:00:00", None),
    ("time", {}, "23:59:60", None),
    ("time", {}, "1:45 PM", None),
    ("time", {}, "allballs", None),
    # moments
    ("timestamp", {}, "2024-02-29T13:45:00", "2024-02-29 13:45:00"),
    ("timestamp", {}, "2024-02-29 13:45", "2024-02-29 13:45:00"),
    ("timestamp", {}, "2024-02-29T13:45:00Z", None),  # Postgres drops the zone in silence
    ("timestamp", {}, "2024-02-29T13:45:00+02", None),
    ("timestamp", {}, "2024-02-29", None),
    ("timestamp", {}, "2024-02-29T24:00:00", None),
    ("timestamp", {}, "2016-12-31T23:59:60", None),
    ("timestamp", {}, "2024-02-29t13:45:00", None),
    ("timestamp", {}, "2024-02-29T13:45:00.1234567", None),
    ("timestamp", {}, "now", None),
    ("timestamptz", {}, "2024-02-29T13:45:00Z", "2024-02-29 13:45:00+00"),
    ("timestamptz", {}, "2024-02-29T13:45:00+05:30", "2024-02-29 08:15:00+00"),
    ("timestamptz", {}, "2024-02-29 13:45:00.5-0500", "2024-02-29 18:45:00.5+00"),
    ("timestamptz", {}, "2024-02-29T13:45:00+02", "2024-02-29 11:45:00+00"),
    ("timestamptz", {}, "9999-12-31T23:59:59-12:00", "10000-01-01 11:59:59+00"),
    ("timestamptz", {}, "2024-02-29T13:45:00", None),
    ("timestamptz", {}, "2024-02-29T13:45:00 EST", None),
    ("timestamptz", {}, "2024-02-29T13:45:00 America/New_York", None),
    ("timestamptz", {}, "2024-02-29T13:45:00+99:00", None),
    ("timestamptz", {}, "2024-02-29T13:45:00+05:60", None),
    ("timestamptz", {}, "2016-12-31T23:59:60Z", None),
    ("timestamptz", {}, "2024-02-30T00:00:00Z", None),
    ("timestamptz", {}, "1709214300", None),
    ("timestamptz", {}, "yesterday", None),
    ("timestamptz", {}, "infinity", None),
    # local times of a zone: they must exist there, and once
    ("timestamptz", NEW_YORK, "2024-07-01T12:00:00", "2024-07-01 16:00:00+00"),
    ("timestamptz", NEW_YORK, "2024-01-01T12:00:00", "2024-01-01 17:00:00+00"),
    ("timestamptz", NEW_YORK, "2024-03-10T01:59:59.999999", "2024-03-10 06:59:59.999999+00"),
    ("timestamptz", NEW_YORK, "2024-03-10T02:00:00", None),
    ("timestamptz", NEW_YORK, "2024-03-10T02:59:59", None),
    ("timestamptz", NEW_YORK, "2024-03-10T03:00:00", "2024-03-10 07:00:00+00"),
    ("timestamptz", NEW_YORK, "2024-11-03T00:59:59", "2024-11-03 04:59:59+00"),
    ("timestamptz", NEW_YORK, "2024-11-03T01:00:00", None),
    ("timestamptz", NEW_YORK, "2024-11-03T01:59:59", None),
    ("timestamptz", NEW_YORK, "2024-11-03T02:00:00", "2024-11-03 07:00:00+00"),
    ("timestamptz", NEW_YORK, "2024-11-03T01:30:00-04:00", "2024-11-03 05:30:00+00"),
    ("timestamptz", NEW_YORK, "2024-02-30T12:00:00", None),
    ("timestamptz", {"timezone": "Australia/Lord_Howe"}, "2024-10-06T02:15:00", None),  # half an hour forth
    ("timestamptz", {"timezone": "Australia/Lord_Howe"}, "2024-04-07T01:45:00", None),  # and back
    ("timestamptz", {"timezone": "Australia/Lord_Howe"}, "2024-04-07T02:00:00", "2024-04-06 15:30:00+00"),
    ("timestamptz", {"timezone": "Pacific/Apia"}, "2011-12-30T12:00:00", None),  # a day that never was
    ("timestamptz", {"timezone": "Pacific/Apia"}, "2011-12-31T12:00:00", "2011-12-30 22:00:00+00"),
    ("timestamptz", {"timezone": "America/Juneau"}, "1867-10-18T20:00:00", None),  # and one that was twice
    ("timestamptz", {"timezone": "UTC"}, "2024-02-29 13:45", "2024-02-29 13:45:00+00"),
    # formats
    ("date", {"format": "DD.MM.YYYY"}, "29.02.2024", "2024-02-29"),
    ("date", {"format": "DD.MM.YYYY"}, "30.02.2024", None),
    ("date", {"format": "DD.MM.YYYY"}, "29x02x2024", None),
    ("date", {"format": "DD.MM.YYYY"}, "9.2.2024", None),
    ("date", {"format": "DD.MM.YYYY"}, "2024-02-29", None),
    ("date", {"format": "DD.MM.YYYY"}, "29.02.2024\n", None),
    ("date", {"format": "YYYYMMDD"}, "20240229", "2024-02-29"),
    ("date", {"format": "MM/DD/YYYY"}, "01/02/2024", "2024-01-02"),
    ("date", {"format": "MM/DD/YYYY"}, "13/02/2024", None),
    ("timestamp", {"format": "DD/MM/YYYY HH24:MI"}, "01/02/2024 13:45", "2024-02-01 13:45:00"),
    ("timestamp", {"format": "DD/MM/YYYY HH24:MI"}, "01/02/2024 24:00", None),
    ("timestamptz", {"format": "YYYYMMDDHH24MISS"} | NEW_YORK, "20240701120000", "2024-07-01 16:00:00+00"),
    ("timestamptz", {"format": "YYYYMMDDHH24MISS"} | NEW_YORK, "20240310023000", None),
]


def made(data_type: str, options: dict[str, str]) -> DataType:
    return parse_type(data_type, options.get("format"), options.get("timezone"))


def stored(engine: sa.Engine, data_type: DataType, value: str) -> str | None:
    """What the door makes of ``value``, as text; None where it refuses it."""
    accepts, cast = data_type.accepts("v"), data_type.cast("v")
    query = (
        f"select case when {accepts} then ({cast})::{data_type.sql}::text end "
        f"from (select {literal(value)}::text offset 0) as t (v)"
    )
    # `offset 0`: the value must not be a constant, of which the planner would take the cast at once
    with engine.connect() as connection, connection.connection.cursor() as cursor:
        cursor.execute(query)
        found: str | None = cursor.fetchone()[0]
    return found


@pytest.mark.parametrize(
    ("data_type", "options", "value", "expected"), CASES, ids=[f"{t}-{v[:20]!r}" for t, _, v, _ in CASES]
)
def test_a_value_is_stored_as_it_is_meant_or_not_at_all(
    lab_engine: sa.Engine, data_type: str, options: dict[str, str], value: str, expected: str | None
) -> None:
    assert stored(lab_engine, made(data_type, options), value) == expected


@pytest.mark.parametrize(
    ("data_type", "options"),
    [
        ("money", {}), ("integer[][]", {}), ("integer[3]", {}), ("jsonb[]", {}), ("[]", {}), ("money[]", {}),
        ("date[]", {"format": "DD.MM.YYYY"}), ("timestamptz[]", NEW_YORK),
        ("numeric(0)", {}), ("numeric(2,3)", {}), ("numeric(1001)", {}),
        ("text(5)", {}), ("varchar(0)", {}), ("", {}), ("date", NEW_YORK), ("timestamptz", {"timezone": "Mars/Moon"}),
        ("timestamptz", {"format": "YYYY-MM-DD HH24"}), ("timestamp", {"format": "DD/MM/YYYY"}),
        ("timestamp", {"format": "YYYY-MM-DD MI"}), ("timestamp", {"format": "YYYY-MM-DD HH24SS"}),
        ("text", {"format": "YYYY-MM-DD"}), ("date", {"format": "DD.MM.YY"}), ("date", {"format": "YYYY-MM-MM"}),
        ("date", {"format": "DD.MM.YYYY HH24"}),
    ],
)  # fmt: skip
def test_a_type_that_cannot_be_honoured_is_an_error(data_type: str, options: dict[str, str]) -> None:
    with pytest.raises(UnknownType):
        made(data_type, options)


def test_awkward_values_get_the_same_verdict_through_the_door(lab: Lab) -> None:
    """`price` is numeric(6,2), `begins` a date."""
    lines = ["1,a,1.005,", "2,a,1.50,2024-02-30", "3,a,NaN,", "4,a,1e1,2024-02-29", '5,a,"1,234.5",', "6,a,0x10,today"]
    receipt = lab.load("things", "id,name,price,begins\n" + "\n".join(lines))
    assert [(r.row, [f["column"] for f in r.faults]) for r in receipt.rejects] == [
        (1, ["price"]), (2, ["begins"]), (3, ["price"]), (5, ["price"]), (6, ["begins", "price"]),
    ]  # fmt: skip
    assert lab.mirror("things") == [("4", "a", None, None, "2024-02-29", None, "10.00")]
