"""Rules that PostgreSQL can't run are found before anything is applied."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from loader.contract.model import Relationship, RowRule, UniqueRule
from loader.migrate import verify_rules
from tests.migrate.contracts import table

EVERY_TYPE = (
    "id bigint", "small smallint", "whole integer", "money numeric(12,2)", "free numeric", "ratio double precision",
    "words text", "code varchar(3)", "flag boolean", "day date", "local timestamp", "instant timestamptz",
    "clock time", "key uuid", "document jsonb",
)  # fmt: skip


def rule(expression: str, column: str = "whole", **more: str) -> RowRule:
    return RowRule("some_test", (column,) if column else (), expression, "is wrong", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "good",
    [
        '"whole" >= 0',
        "\"whole\" in ('1', '2')",
        "\"flag\" in ('true', 'false')",
        "\"money\" in ('1.50')",
        "\"day\" in ('2024-02-29')",
        '"document" in (\'{"a": 1}\')',
        "\"day\" >= '2020-01-01'",
        "regexp_like(\"words\", '^(?:[a-z]+)$')",
        "\"words\" like '100%' and \"words\" <> ':name' and \"words\" <> '%(x)s'",
        '(1 / "whole") > 0 and ("whole" % 2) = 0',
        "(\"document\" ->> 'a')::int > 0",
        '"clock" < \'12:00\' and "key" is not null',
        'length("code") <= 3 and "instant" > now()',
    ],
)
def test_a_rule_that_runs_is_no_fault(empty_engine: sa.Engine, good: str) -> None:
    with empty_engine.connect() as connection:
        assert verify_rules(connection, table("t", *EVERY_TYPE, row_rules=(rule(good),))) == []


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ('"wole" >= 0', 'column "wole" does not exist'),
        ("_load_id > 0", 'column "_load_id" does not exist'),
        ("\"whole\" in ('1', 'two')", 'invalid input syntax for type integer: "two"'),
        ("\"flag\" in ('perhaps')", "invalid input syntax for type boolean"),
        ("\"day\" in ('2024-02-30')", "date/time field value out of range"),
        ("\"key\" in ('1')", "invalid input syntax for type uuid"),
        ("\"document\" in ('{')", "invalid input syntax for type json"),
        ('"whole" like \'1%\'', "operator does not exist: integer ~~ unknown"),
        ('"words" > "whole"', "operator does not exist: text > integer"),
        ('btrim("whole") <> \'\'', "function btrim(integer) does not exist"),
        ('"whole" + 1', "must be type boolean"),
        ('sum("whole") > 0', "aggregate functions are not allowed"),
        ('row_number() over () > 0', "window functions are not allowed"),
        ("regexp_like(\"words\", '^(?:[)$')", "invalid regular expression"),
        ("\"words\" ~ '('", "invalid regular expression"),
        ("1 = 1 --", "syntax error"),
        ('"whole" >', "syntax error"),
    ],
)  # fmt: skip
def test_a_rule_that_does_not_run_is_named(empty_engine: sa.Engine, bad: str, words: str) -> None:
    with empty_engine.connect() as connection:
        good = rule('"whole" >= 0', "small")
        faults = verify_rules(connection, table("t", *EVERY_TYPE, row_rules=(good, rule(bad), good)))
        assert [(fault.table, fault.column) for fault in faults] == [("erp.t", "whole")]
        assert "the test some_test" in faults[0].problem
        assert words in faults[0].problem
        assert connection.scalar(sa.text("select 1")) == 1  # the transaction goes on


def test_wheres_of_every_kind_of_rule_are_run_too(empty_engine: sa.Engine) -> None:
    where = "wole > 0"
    ruled = table(
        "t", *EVERY_TYPE,
        row_rules=(rule("true", where=where),),
        unique_rules=(UniqueRule(("code",), where=where),),
        relationships=(Relationship(("small",), ("erp", "t"), ("id",), where=where),),
    )  # fmt: skip
    with empty_engine.connect() as connection:
        faults = verify_rules(connection, ruled)
    assert [fault.column for fault in faults] == ["whole", "code", "small"]
    assert all("its where 'wole > 0'" in fault.problem for fault in faults)


def test_a_fault_stands_at_its_columns_line(empty_engine: sa.Engine) -> None:
    bad = table("t", *EVERY_TYPE, row_rules=(rule("nothing > 1"), rule("nothing > 1", "")))
    bad = replace(bad, columns=tuple(replace(c, line=42) if c.name == "whole" else c for c in bad.columns))
    with empty_engine.connect() as connection:
        faults = verify_rules(connection, bad)
    assert [(fault.path, fault.line) for fault in faults] == [
        ("models/_erp__sources.yml", 42),
        ("models/_erp__sources.yml", 7),
    ]


def test_a_sample_that_a_rule_stumbles_over_is_not_its_fault(empty_engine: sa.Engine) -> None:
    # fails on the sample values 1 and 'a', and runs on others
    stumbling = rule('1 / ("whole" - 1) > 0 and "words" ~ \'x\' and "words"::integer > 0')
    with empty_engine.connect() as connection:
        assert verify_rules(connection, table("t", *EVERY_TYPE, row_rules=(stumbling,))) == []
