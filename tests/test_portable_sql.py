"""The check `.ci/portable_sql.py`: what a model may not say, and where it says so."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / ".ci" / "portable_sql.py"


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("portable_sql", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select amount::numeric(12, 2)", "a Postgres cast"),
        ("select {{ total_amount('lines.amount::bigint') }}", "a Postgres cast"),
        ("select n from generate_series(1, 10) as n", "generate_series"),
        ("select distinct on (a) a", "distinct on"),
        ("select sum(a) filter (where b)", "filter (where"),
        ("select percentile_cont(0.5) within group (order by a asc nulls last)", "percentile"),
        ("select payload ->> 'name'", "JSON"),
        ("select a where b ~ '^x'", "pattern operator"),
        ("select a where b ilike 'x%'", "ilike"),
        ("select a from b cross join lateral (select 1) as c", "lateral"),
        ("select string_agg(a, ',')", "aggregate of text"),
        ("select ordered_at at time zone 'UTC'", "business_date"),
        ("select date_trunc('month', a)", "first_day_of"),
        ("select extract(isodow from a)", "calendar.sql"),
        ("select a + interval '1 day'", "add_days"),
        ("select current_date", "as_of_date"),
        ("select now()", "as_of_date"),
        ("select cast(a as text)", "text_type"),
        ("select cast(a as numeric)", "numeric(p, s)"),
        ("select cast(a as numeric(12))", "numeric(p, s)"),
        ("select a / b", "a division"),
        ("select coalesce(a, 0) / b", "a division"),
        ("select {{ ratio('a / b', 'c') }}", "a division"),
        ("select rank() over (order by a desc)", "order by a desc: say"),
        ("select rank() over (partition by x order by a desc nulls last, b)", "order by b: say"),
        ("select rank() over (order by coalesce(a, b) asc rows unbounded preceding)", "order by coalesce(a, b) asc"),
        ('select "Name" from a', "double quotes"),
        ("{% macro of_all() %}\nselect a::text\n{% endmacro %}", "a Postgres cast"),
    ],
)
def test_what_only_one_warehouse_has_is_found(check: ModuleType, sql: str, said: str) -> None:
    found = list(check.faults(sql))
    assert len(found) == 1, found
    assert said in found[0][1]


@pytest.mark.parametrize(
    "sql",
    [
        "select cast(a as numeric(12, 2)) / nullif(b, 0)",
        "select cast(case when (a) then b end as numeric(24, 6)) / b",
        "select {{ quotient('a', 'b') }} / 2",
        "select rank() over (order by a desc nulls last, coalesce(b, c) asc nulls first)",
        "select a -- now() / generate_series, a::text",
        "{#- now() and a::text -#} select a",
        "select '::' as a, 'a / b' as b",
        "{% set path = now() / 2 %} select a",
        "{% macro postgres__of_one() %}\nselect a::text, now()\n{% endmacro %}",
        "{%- macro spark__of_one() -%}\nselect date_trunc('month', a)\n{%- endmacro -%}",
        "select extract(year from a), cast(a as bigint), {{ business_date('a') }}",
    ],
)
def test_what_every_warehouse_has_is_let_through(check: ModuleType, sql: str) -> None:
    assert list(check.faults(sql)) == []


def test_a_fault_is_named_with_file_and_line(tmp_path: Path) -> None:
    model = tmp_path / "model.sql"
    model.write_text("select\n    a,\n    -- b::text\n    c::text\nfrom {{ ref('d') }}\n")
    ran = subprocess.run([sys.executable, SCRIPT, model], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[0].startswith(f"{model}:4: a Postgres cast")


def test_the_models_are_portable() -> None:
    ran = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert not ran.stdout.startswith("0 files")
