"""`loader migrate`, also on real dbt projects, this one included."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from loader.commands.migrate import migrate as command
from loader.contract.faults import ContractError, Fault
from loader.contract.model import Contract
from loader.contract.read import read_contract
from loader.migrate import migrate
from loader.settings import Settings
from tests.migrate.contracts import NEWEST, changed, contract, rows, table

SOURCES = """
version: 2
sources:
  - name: erp
    schema: staging_erp
    loader: gatehouse
    tables:
      - name: orders
        config:
          meta: {primary_key: [order_id]}
        columns:
          - name: order_id
            data_type: bigint
          - name: quantity
            data_type: integer
            data_tests: [{accepted_values: {arguments: {values: [1, 2]}}}]
          - name: amount
            data_type: numeric(12,2)
"""
PROFILE = "{type: postgres, host: h, port: 1, user: u, password: p, dbname: d, schema: s}"


def run(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), obj=settings)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Contract | ContractError]:
    """The contract that the command reads, without dbt: `given["contract"]`."""
    box: dict[str, Contract | ContractError] = {"contract": contract()}

    def read(*_: object) -> Contract:
        found = box["contract"]
        if isinstance(found, ContractError):
            raise found
        return found

    monkeypatch.setattr("loader.commands.migrate.contract_of", read)
    return box


def test_a_plan_then_the_doing_then_nothing_to_do(
    given: dict[str, Contract], scratch: Settings, empty_engine: sa.Engine
) -> None:
    planned = run(scratch, "--plan")
    words = [f"ledger: revision none → {NEWEST}", "staging_erp: new schema", "erp.orders: new table with its history"]
    assert planned.stdout.splitlines() == [*words, "This is the plan; nothing was changed."]
    assert rows(empty_engine, "select nspname from pg_namespace where nspname = 'ledger'") == []
    done, again = run(scratch), run(scratch)
    assert done.stdout.splitlines() == [*words, "Done."]
    assert again.stdout == "Nothing to do: the database is as the contract says.\n"
    assert [planned.exit_code, done.exit_code, again.exit_code] == [0, 0, 0]


def test_a_refusal_ends_with_status_1_with_a_plan_and_without(
    given: dict[str, Contract], scratch: Settings, empty_engine: sa.Engine
) -> None:
    migrate(empty_engine, contract())
    given["contract"] = changed("amount numeric(12,2)", "amount numeric(8,2)")
    for arguments in ((), ("--plan",)):
        refused = run(scratch, *arguments)
        assert refused.exit_code == 1
        assert "refused: models/_erp__sources.yml:7 (erp.orders, column amount): the column is" in refused.stderr
        assert "Remedy: keep `data_type: numeric(12,2)`" in refused.stderr
        assert refused.stderr.endswith("Nothing was changed: 1 refused.\n")
    found = json.loads(run(scratch, "--json").stdout)
    assert (found["applied"], found["refusals"][0]["column"]) == (False, "amount")


def test_json_tells_words_and_sql(given: dict[str, Contract], scratch: Settings, empty_engine: sa.Engine) -> None:
    migrate(empty_engine, contract())
    given["contract"] = changed("quantity integer", "quantity bigint")
    for arguments, applied in ((("--plan", "--json"), False), (("--json",), True)):
        found = json.loads(run(scratch, *arguments).stdout)
        assert found["applied"] is applied
        assert found["changes"][0]["words"] == ["column quantity widened from integer to bigint"]
        assert 'alter column "quantity" type bigint' in found["changes"][0]["statements"][0]


def test_warnings_are_said_and_are_no_failure(
    given: dict[str, Contract], scratch: Settings, empty_engine: sa.Engine
) -> None:
    migrate(empty_engine, contract())
    given["contract"] = contract(table("lines", "a bigint"))
    done = run(scratch)
    assert done.exit_code == 0
    assert done.stderr.startswith("warning: staging_erp.orders is no longer in the contract")


def test_a_contract_that_can_not_be_read_is_said(given: dict[str, ContractError], scratch: Settings) -> None:
    given["contract"] = ContractError([Fault("it is wrong", "mend it", "models/x.yml", 3)])
    refused = run(scratch)
    assert refused.exit_code == 1
    assert refused.stderr == "refused: models/x.yml:3: it is wrong. Remedy: mend it\n"


def test_a_real_project_from_nothing_to_a_refusal_with_its_places(
    tmp_path: Path, scratch: Settings, empty_engine: sa.Engine
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text("name: small\nversion: '1.0'\nprofile: small\n")
    (tmp_path / "profiles.yml").write_text(f"small: {{target: t, outputs: {{t: {PROFILE}}}}}")
    sources = tmp_path / "models" / "sources.yml"
    sources.write_text(SOURCES)
    settings = replace(scratch, project_dir=tmp_path, state_dir=tmp_path / "state")
    done = run(settings)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "Done.")

    sources.write_text(SOURCES.replace("numeric(12,2)", "numeric(8,2)").replace("[1, 2]", "[few, many]"))
    refused = run(settings)
    assert refused.exit_code == 1
    assert "refused: models/sources.yml:14 (erp.orders, column quantity): the test accepted_values" in refused.stderr
    assert 'invalid input syntax for type integer: "few"' in refused.stderr
    assert "refused: models/sources.yml:17 (erp.orders, column amount): the column is numeric(12,2)" in refused.stderr


def test_this_projects_contract_stands_and_nothing_more_is_to_be_done(settings: Settings, engine: sa.Engine) -> None:
    shop = read_contract(settings.project_dir, settings.state_dir)
    migrate(engine, shop)
    again = migrate(engine, shop)
    assert again.is_empty
    assert again.warnings == ()
    standing = {name for (name,) in rows(engine, "select oid::regclass::text from pg_class where relkind = 'r'")}
    for made in shop:
        assert {f"{made.schema}.{made.identifier}", f"{made.schema}.{made.identifier}__history"} <= standing
