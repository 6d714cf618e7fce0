"""What becomes of each of a hundred awkward values, at the real door: the page docs/values.md.

`GATEHOUSE_WRITE_PAGES=1 .venv/bin/pytest tests/intake/test_values_page.py` writes it anew.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import sqlalchemy as sa

from loader.contract.model import Contract, Table
from loader.contract.types import parse_type
from loader.database import make_engine
from loader.intake.load import load_stream
from loader.ledger.loads import Origin
from loader.migrate import migrate
from loader.settings import Settings
from tests.conftest import ROOT
from tests.intake.lab import table
from tests.intake.pages import cell, compare

INTRO = """# What happens to awkward values

A value is taken only if storing it loses and guesses nothing; [contract.md](contract.md) says how each type is read.
Each line below was sent through the door into a column of that type, as JSON (a text in quotes, a number without)
or as a field of a CSV, and this is what became of it. A refused row is kept as it came.

`GATEHOUSE_WRITE_PAGES=1 .venv/bin/pytest tests/intake/test_values_page.py` writes this page; without it the same
test compares.

| sent | into | verdict | stored, or why not |
| --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Column:
    """A column's type and what its ``config.meta`` says."""

    data_type: str
    format: str | None = None
    timezone: str | None = None

    @property
    def shown(self) -> str:
        more = [f"format {self.format}"] if self.format else []
        more += [f"timezone {self.timezone}"] if self.timezone else []
        return ", ".join([cell(self.data_type), *more])


INTEGER, BIGINT, MONEY = Column("integer"), Column("bigint"), Column("numeric(12,2)")
NUMERIC, DOUBLE, BOOLEAN = Column("numeric"), Column("double precision"), Column("boolean")
TEXT, SHORT, DATE, GERMAN = Column("text"), Column("varchar(5)"), Column("date"), Column("date", "DD.MM.YYYY")
TIMESTAMP, INSTANT, TIME = Column("timestamp"), Column("timestamptz"), Column("time")
LOCAL = Column("timestamptz", timezone="America/New_York")
UUID, JSONB = Column("uuid"), Column("jsonb")

#: As JSON writes them.
JSON: list[tuple[Column, str]] = [
    (INTEGER, '"7"'), (INTEGER, "7"), (INTEGER, '"+7"'), (INTEGER, '"007"'), (INTEGER, '" 7"'), (INTEGER, '"7.0"'),
    (INTEGER, "7.0"), (INTEGER, "1e3"), (INTEGER, '"0x10"'), (INTEGER, '"1_000"'), (INTEGER, '"1,234"'),
    (INTEGER, '"٣"'), (INTEGER, '"３"'), (INTEGER, '"²"'), (INTEGER, '""'), (INTEGER, '"-"'), (INTEGER, "true"),
    (INTEGER, "null"), (INTEGER, "2147483647"), (INTEGER, "2147483648"), (INTEGER, "-0"),
    (BIGINT, "9007199254740993"), (BIGINT, "9223372036854775807"), (BIGINT, "9223372036854775808"),
    (MONEY, '"1.005"'), (MONEY, '"1.00500"'), (MONEY, '"1.01000"'), (MONEY, "0.1"), (MONEY, '".5"'), (MONEY, '"5."'),
    (MONEY, "1e-2"), (MONEY, "1e-3"), (MONEY, '"1,234.5"'), (MONEY, '"1,5"'), (MONEY, '"$1.50"'), (MONEY, '"1.50 €"'),
    (MONEY, '"(1.50)"'), (MONEY, '"--1"'), (MONEY, '"NaN"'), (MONEY, '"infinity"'), (MONEY, '"0x10"'),
    (MONEY, '"1e400"'), (MONEY, "1e400"), (MONEY, '"٣.٥"'), (MONEY, "9999999999.99"), (MONEY, "10000000000"),
    (MONEY, '"-0.00"'), (NUMERIC, "0.1000000000000000055511151231257827"), (NUMERIC, '"NaN"'), (NUMERIC, "1e400"),
    (DOUBLE, "0.1"), (DOUBLE, "0.10000000000000000555"), (DOUBLE, "9007199254740993"), (DOUBLE, "1e400"),
    (DOUBLE, "1e-400"), (DOUBLE, '"NaN"'), (DOUBLE, '"-Infinity"'),
    (BOOLEAN, "true"), (BOOLEAN, '"YES"'), (BOOLEAN, '"0"'), (BOOLEAN, '"on"'), (BOOLEAN, '"ja"'), (BOOLEAN, '"2"'),
    (TEXT, '""'), (TEXT, '" "'), (TEXT, '"NULL"'), (TEXT, '"\\\\N"'), (TEXT, '"\\u0000"'), (TEXT, '"\\ud83c"'),
    (TEXT, '"\\ud83c\\udf88"'), (TEXT, '"e\\u0301"'), (TEXT, '"\\u202egnp.exe"'), (TEXT, '"=1+1"'),
    (TEXT, "12345678901234567890.10"), (TEXT, '{"a": 1.10}'),
    (SHORT, '"日本語日本"'), (SHORT, '"abcdef"'), (SHORT, '"abcde "'),
    (DATE, '"2024-02-29"'), (DATE, '"2023-02-29"'), (DATE, '"2024-02-30"'), (DATE, '"0000-00-00"'),
    (DATE, '"0001-01-01"'), (DATE, '"9999-12-31"'), (DATE, '"10000-01-01"'), (DATE, '"01/02/2024"'),
    (DATE, '"2024-2-9"'), (DATE, '"20240229"'),
    (DATE, '"today"'), (DATE, '"infinity"'), (DATE, '"2024-02-29T00:00:00"'),
    (DATE, "45351"), (GERMAN, '"29.02.2024"'), (GERMAN, '"2024-02-29"'), (GERMAN, '"02.29.2024"'),
    (TIMESTAMP, '"2024-02-29T13:45:00"'), (TIMESTAMP, '"2024-02-29T13:45:00Z"'), (TIMESTAMP, '"2024-02-29"'),
    (TIMESTAMP, '"2024-02-29 24:00:00"'), (TIMESTAMP, '"2024-02-29T23:59:60"'),
    (TIMESTAMP, '"2024-02-29T13:45:00.1234567"'), (TIMESTAMP, '"now"'), (TIMESTAMP, "1709214300"),
    (INSTANT, '"2024-02-29T13:45:00Z"'), (INSTANT, '"2024-02-29T13:45:00+05:30"'), (INSTANT, '"2024-02-29T13:45:00"'),
    (INSTANT, '"2024-02-29T13:45:00 PST"'), (LOCAL, '"2024-02-29T13:45:00"'), (LOCAL, '"2024-03-10T02:30:00"'),
    (LOCAL, '"2024-11-03T01:30:00"'),
    (TIME, '"13:45"'), (TIME, '"24:00"'), (TIME, '"1:45 PM"'),
    (UUID, '"3F1C9A52-0B6E-4D6F-9A3E-5B2F6F0F7C11"'), (UUID, '"3f1c9a520b6e4d6f9a3e5b2f6f0f7c11"'),
    (JSONB, '{"a": 1.10}'), (JSONB, '"text"'), (JSONB, '{"a": "\\u0000"}'),
]  # fmt: skip
#: As they stand in a CSV, in UTF-8 with commas.
CSV: list[tuple[Column, str]] = [
    (TEXT, ""), (TEXT, '""'), (TEXT, "\\N"), (TEXT, "NA"), (TEXT, " a "), (TEXT, '"a ""b"""'), (TEXT, "a\0b"),
    (INTEGER, ""), (INTEGER, '""'), (INTEGER, "\\N"), (INTEGER, " 7"), (INTEGER, "'7"), (MONEY, '"1,234"'),
    (MONEY, '"1,234.5"'), (DATE, "01/02/2024"), (BOOLEAN, ""), (JSONB, '"{""a"": 1}"'), (JSONB, "NaN"),
]  # fmt: skip


def name_of(column: Column) -> str:
    place = [*dict.fromkeys(column for column, _ in JSON)].index(column)
    return f"values_{place}"


def contract_of(columns: list[Column]) -> Contract:
    tables: dict[tuple[str, str], Table] = {}
    for column in columns:
        made = table(name_of(column), "id integer!", "value text")
        type_ = parse_type(column.data_type, column.format, column.timezone)
        made = replace(made, columns=(made.columns[0], replace(made.columns[1], type=type_)))
        tables["lab", made.name] = made
    return Contract("lab", tables, "fingerprint")


def outcomes(engine: sa.Engine, contract: Contract, column: Column, bodies: list[str], format_: str) -> list[str]:
    """Verdict and stored text, or message, of each value as two cells; each value is a load of its own,
    for what is found out of a body must not hang on the other values."""
    made, found = contract.table("lab", name_of(column)), []
    for number, body in enumerate(bodies):
        key = number if format_ == "ndjson" else 1000 + number
        text = f'{{"id": {key}, "value": {body}}}' if format_ == "ndjson" else f"id,value\n{key},{body}\n"
        receipt = load_stream(engine, contract, made, io.BytesIO(text.encode()), format_, Origin("api", "tester"))
        if receipt.rejects:
            found.append(f"refused | {receipt.rejects[0].message}")
            continue
        with engine.connect() as connection:
            query = f"select value::text, value is null from {made.mirror} where id = {key}"
            value, is_null = connection.execute(sa.text(query)).one()
        found.append(f"taken | {'NULL' if is_null else readable(value) or 'an empty text'}")
    return found


def shown(value: str) -> str:
    """A value on the page: signs that can't be seen are named."""
    return readable(value) if value else "nothing between the commas"


def readable(value: str) -> str:
    """As code; of a long one the beginning, and signs that can't be seen by their numbers."""
    seen = "".join(sign if sign.isprintable() else f"<U+{ord(sign):04X}>" for sign in value)
    return cell(seen if len(seen) <= 60 else f"{seen[:12]}… ({len(seen)} characters)")


def lines(
    engine: sa.Engine, contract: Contract, cases: list[tuple[Column, str]], format_: str, words: str
) -> list[str]:
    by_column: dict[Column, list[str]] = {}
    for column, value in cases:
        by_column.setdefault(column, []).append(value)
    return [
        f"| {words}{shown(value)} | {column.shown} | {outcome} |"
        for column, bodies in by_column.items()
        for value, outcome in zip(bodies, outcomes(engine, contract, column, bodies, format_), strict=True)
    ]


def test_the_page_of_values_says_what_the_door_does(new_database: Callable[[str], Settings]) -> None:
    contract = contract_of([*dict.fromkeys(column for column, _ in JSON)])
    engine = make_engine(new_database("template1"))
    migrate(engine, contract)
    try:
        page = [*lines(engine, contract, JSON, "ndjson", ""), *lines(engine, contract, CSV, "csv", "CSV: ")]
    finally:
        engine.dispose()
    assert len(page) == len(JSON) + len(CSV)
    assert len({line.rsplit(" | ", 2)[0] for line in page}) == len(page) > 100, "each value is there once"
    compare("values.md", INTRO + "\n".join(page) + "\n")


def test_no_guess_of_postgres_gets_through() -> None:
    """What Postgres's own input functions would take and change is refused on the page too."""

    page = (ROOT / "docs" / "values.md").read_text("utf-8")
    for value in ('"1.005"', '"0x10"', '"today"', '"01/02/2024"', '"infinity"', '"NaN"', '"1e400"', '"٣"', '"1,234.5"'):
        told = [line for line in page.splitlines() if line.startswith(f"| `{value}` |")]
        assert told
        assert all("| refused |" in line for line in told), value
