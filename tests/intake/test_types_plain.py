"""``DataType.plain`` says less than ``accepts``, never more, and the same to RE2 and to Postgres."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from loader.contract.types import DataType, literal, parse_type
from tests.intake.lab import Lab
from tests.intake.test_types import CASES

TYPES = [
    "smallint", "integer", "bigint", "numeric", "numeric(12,2)", "numeric(2,2)", "numeric(3)", "double precision",
    "text", "varchar(5)", "varchar(1000)", "boolean", "date", "timestamp", "timestamptz", "time", "uuid", "jsonb",
    "smallint[]", "integer[]", "bigint[]", "text[]", "boolean[]", "date[]", "timestamptz[]", "time[]", "uuid[]",
    "numeric[]", "varchar(5)[]",
]  # fmt: skip
SEEDED = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    phases=[Phase.explicit, Phase.generate],  # the failure names the value: shrinking takes minutes and adds nothing
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
PIECES = st.sampled_from(
    "0 1 9 00 - + . e E 12 2024 1999 0001 9999 02 29 30 31 : 23 59 60 24 T t Z +14:00 -15:00 +05 é 日 ٣ true".split()
    + "false True 2024-02-29 2023-02-28 13:45 :00 .123456 3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11".split()
    + [" ", "\n", "\r", "[", "]", ",", '"', "\\", "null", '["', '"]', '", "']
)
NEAR = st.lists(PIECES, max_size=6).map("".join)
ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


def by_re2(pattern: str, values: list[str]) -> list[bool]:
    return [bool(found) for found in pc.match_substring_regex(pa.array(values, pa.string()), pattern).to_pylist()]


def ask(engine: sa.Engine, expression: str, values: list[str]) -> list[bool]:
    listed = ", ".join(f"({place}, {literal(value)}::text)" for place, value in enumerate(values))
    with engine.connect() as connection, connection.connection.cursor() as cursor:
        cursor.execute(f"select {expression} from (values {listed}) as t (place, v) order by place")
        return [bool(row[0]) for row in cursor.fetchall()]


def check(engine: sa.Engine, data_type: DataType, values: list[str]) -> None:
    pattern = data_type.plain
    if pattern is None:
        return
    plain = by_re2(pattern, values)
    if pattern and (data_type.precision or 0) <= 255:  # Postgres, which the door does not ask, counts no further
        # `.` is any character but a line feed to RE2: such a text takes the slower way, that is all
        alike = [v for v in values if data_type.family != "varchar" or "\n" not in v]
        assert by_re2(pattern, alike) == (ask(engine, f"v ~ {literal(pattern)}", alike) if alike else [])
    values = [value for value, matches in zip(values, plain, strict=True) if matches]
    if values:
        # what `cast` raises is raised here: it is evaluated for every value that is plain
        took = ask(engine, f"{data_type.accepts('v')} and ({data_type.cast('v')})::{data_type.sql} is not null", values)
        assert [value for value, accepted in zip(values, took, strict=True) if not accepted] == []


@pytest.mark.parametrize("name", TYPES)
@SEEDED
@given(data=st.data())
def test_a_plain_value_is_accepted_and_casts(lab_engine: sa.Engine, name: str, data: st.DataObject) -> None:
    data_type = parse_type(name)
    pattern = data_type.plain
    kinds = [NEAR, ANY] + ([st.from_regex(pattern, fullmatch=True)] if pattern else [])
    values = data.draw(st.lists(st.one_of(*kinds), min_size=1, max_size=30))
    check(lab_engine, data_type, [value for value in values if "\0" not in value])


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])
@SEEDED
@given(data=st.data())
def test_a_plain_moment_is_accepted_in_any_zone(lab_engine: sa.Engine, zone: str, data: st.DataObject) -> None:
    data_type = parse_type("timestamptz", timezone=zone)
    assert data_type.plain is not None
    check(
        lab_engine,
        data_type,
        data.draw(st.lists(st.from_regex(data_type.plain, fullmatch=True), min_size=1, max_size=30)),
    )


def test_no_awkward_value_is_called_plain(lab_engine: sa.Engine) -> None:
    for name, options, value, expected in CASES:
        pattern = parse_type(name, options.get("format"), options.get("timezone")).plain
        if expected is None and pattern is not None:
            assert by_re2(pattern, [value]) == [False], (name, value)


def test_the_last_day_of_each_month_is_plain_and_the_next_is_none() -> None:
    pattern = parse_type("date").plain
    assert pattern
    last = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    days = [f"2023-{month:02}-{day:02}" for month, end in enumerate(last, 1) for day in (1, end, end + 1)]
    assert by_re2(pattern, days) == [True, True, False] * 12


def test_what_people_usually_write_is_plain() -> None:
    usual = {
        "integer": ["0", "42", "-7"],
        "numeric(12,2)": ["12", "12.5", "-0.99", "9999999999.99"],
        "date": ["2024-02-28", "1999-12-31"],
        "timestamptz": ["2024-02-28T13:45:00Z", "2024-02-28 13:45:00.123456+02:00"],
        "boolean": ["true", "false"],
        "uuid": ["3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11"],
        "varchar(5)": ["", "日本語"],
        "integer[]": ["[]", "[1,2]", "[1, -2]"],
        "text[]": ['["a", "日本語"]', '["can\'t", ""]'],
        "date[]": ['["2024-02-28"]'],
    }
    for name, values in usual.items():
        assert by_re2(str(parse_type(name).plain), values) == [True] * len(values), name


def test_the_slow_and_the_quick_way_store_the_same(lab: Lab) -> None:
    quick = lab.load("things", "id,name,size,price,begins\n1,a,5,10,2024-02-28\n")
    slow = lab.load("things", "id,name,size,price,begins\n+1,a,+5,1e1,2024-02-28\n")
    assert (quick.accepted, slow.duplicates) == (1, 1)
