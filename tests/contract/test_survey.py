"""`loader contract check`: any dbt project, without a database."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from loader.commands.contract import contract as command
from loader.settings import Settings

SOURCES = """\
sources:
  - name: shop
    loader: gatehouse
    tables:
      - name: customers
        config: {meta: {primary_key: [id]}}
        columns:
          - {name: id, data_type: integer, data_tests: [unique]}
          - {name: email, data_type: text, data_tests: [unique: {config: {severity: warn}}]}
      - name: orders
        config: {meta: {primary_key: [id]}}
        columns:
          - {name: id, data_type: bigint}
          - name: customer_id
            data_type: integer
            data_tests:
              - relationships: {arguments: {to: "source('shop', 'customers')", field: id}}
          - name: model_id
            data_type: integer
            data_tests:
              - relationships: {arguments: {to: "ref('some_model')", field: id}}
              - not_null: {config: {error_if: ">10"}}
BROKEN
  - name: raw
    loader: fivetran
    tables:
      - name: payments
        data_tests:
          - even_total: {arguments: {columns: [amount, order_id]}}
        columns:
          - {name: payment_id, data_tests: [not_null, unique]}
          - {name: amount, data_type: money}
          - {name: paid_by}
          - name: order_id
            data_type: bigint
            data_tests:
              - relationships: {arguments: {to: "source('shop', 'orders')", field: id}}
  - name: nameless
    tables:
      - name: things
"""
BROKEN = """\
      - name: lines
        columns:
          - {name: line_id, data_type: integer, data_tests: [not_null, unique]}
          - name: payment_id
            data_type: integer
            data_tests:
              - relationships: {arguments: {to: "source('raw', 'payments')", field: payment_id}}
"""
NO_DATABASE = "{type: postgres, host: 127.0.0.1, port: 1, user: u, password: p, dbname: d, schema: s}"


def project(folder: Path, broken: str = "", profile: str = NO_DATABASE) -> Settings:
    (folder / "models").mkdir(parents=True)
    (folder / "tests" / "generic").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: theirs\nversion: '1.0'\nprofile: theirs\n")
    (folder / "profiles.yml").write_text(f"theirs: {{target: t, outputs: {{t: {profile}}}}}\n")
    (folder / "models" / "_sources.yml").write_text(SOURCES.replace("BROKEN\n", broken))
    (folder / "models" / "some_model.sql").write_text("select 1 as id")
    (folder / "tests" / "generic" / "even_total.sql").write_text(
        "{% test even_total(model, columns) %}select 1 from {{ model }} limit 0{% endtest %}"
    )
    return Settings(project_dir=folder, state_dir=folder.parent / "state", host="127.0.0.1", port=1)


def check(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["check", *arguments], obj=settings, standalone_mode=False)


def test_all_of_it_is_said_and_fits_a_terminal(tmp_path: Path) -> None:
    run = check(project(tmp_path / "theirs"))
    assert run.return_value == 0, run.output
    lines = run.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    said = " ".join(run.stdout.split())
    assert "theirs: 4 source tables, 2 loaded by gatehouse." in said
    assert "shop.customers (loaded) enforced 2 types, key (id), 1 not null, unique (id), unique (email) (warns)" in said
    assert "(customer_id) in shop.customers" in said
    assert "dbt only relationships (model_id): its parent is not a source" in said
    assert "dbt only not_null (model_id): custom error_if" in said
    assert "raw.payments (not loaded: loader is fivetran)" in said
    assert "dbt only even_total (amount, order_id): a test with SQL of its own" in said
    assert "models/_sources.yml: the column has no data_type: payment_id (line 30), paid_by (line 32)." in said
    assert "models/_sources.yml:31 amount: data_type 'money' is not one of:" in said
    assert "it may be `primary_key: [payment_id]`: unique, and never empty" in said
    assert "say `loader: gatehouse` at its source; mend what is missing; load shop.orders too" in said
    assert "nameless.things (not loaded: names no loader)" in said
    assert said.endswith("Every table that says `loader: gatehouse` can be honoured.")


def test_a_loaded_table_that_can_not_be_honoured_fails_the_check(tmp_path: Path) -> None:
    settings = project(tmp_path / "theirs", BROKEN)
    run = check(settings)
    assert run.return_value == 1
    said = " ".join(run.stdout.split())
    assert "shop.lines (can't be loaded as it stands)" in said
    assert "its parent raw.payments is not a source that the loader loads" in said
    assert "1 of 3 loaded tables can't be honoured." in said
    found = json.loads(check(settings, "--json").stdout)
    assert found["honoured"] is False
    tables = {table["table"]: table for table in found["tables"]}
    assert tables["shop.orders"]["honoured"] is True
    assert tables["shop.lines"]["proposed_primary_key"] == ["line_id"]
    assert [(f["file"], f["line"], f["column"]) for f in tables["shop.lines"]["faults"]] == [
        ("models/_sources.yml", 23, None), ("models/_sources.yml", 26, "payment_id"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "profile", ["{type: snowflake, account: a}", "{type: postgres, host: \"{{ env_var('NO_SUCH_VARIABLE') }}\"}"]
)
def test_a_profile_that_can_not_be_had_does_not_stand_in_the_way(tmp_path: Path, profile: str) -> None:
    settings = project(tmp_path / "theirs", profile=profile)
    before = sorted(settings.project_dir.rglob("*"))
    assert check(settings).return_value == 0
    assert sorted(settings.project_dir.rglob("*")) == before  # and nothing is written beside the project


def test_a_project_that_dbt_can_not_read_is_named(tmp_path: Path) -> None:
    settings = project(tmp_path / "theirs", profile="{type: snowflake}")
    (settings.project_dir / "models" / "some_model.sql").write_text("{{ ref('no_such_model') }}")
    run = check(replace(settings, state_dir=tmp_path / "other"))
    assert "can't parse the project" in str(run.exception)
    assert "no_such_model" in str(run.exception)
