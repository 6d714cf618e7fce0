"""A dbt project made ready: migrated, loaded once, and tested by dbt itself.

`dbt test` is run once a project and run of pytest. What it leaves, the SQL that it compiled and
sent for each test, is then executed directly: the very queries, a hundred times faster. dbt's
manifest also says which columns and tests there are, so that the tests' view of a contract does
not come from the loader's reader of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from loader.contract.model import Contract
from loader.contract.read import read_contract
from loader.database import make_engine
from loader.intake.load import load_stream
from loader.intake.receipt import Receipt
from loader.ledger.loads import Origin
from loader.migrate import migrate
from loader.settings import Settings
from tests.conftest import ROOT, RUN_FOLDER, new_database_of, one_at_a_time, run_sql
from tests.dbt.conftest import run_dbt
from tests.property.csv_text import csv_of
from tests.property.reading import Kind

LABORATORY = Path(__file__).parent / "project"
FOLDERS = {"shop": ROOT, "laboratory": LABORATORY}
Row = dict[str, str | None]


@dataclass(frozen=True)
class DbtTest:
    """One of dbt's tests on a source, as dbt's manifest and results have it."""

    id: str
    table: str
    name: str
    column: str | None
    arguments: dict[str, Any]
    severity: str
    where: str | None
    sql: str
    failures: int

    def on(self, database: str, at: str) -> str:
        """Its query, for a database that is a copy of the one (`at`) it was compiled in."""
        return self.sql.replace(f'"{at}".', f'"{database}".')


@dataclass
class Project:
    """One project, the database that is the model of every worker's copy, and dbt's word on both."""

    name: str
    settings: Settings
    contract: Contract
    receipts: list[dict[str, Any]]
    manifest: dict[str, Any]
    results: dict[str, Any]
    columns: dict[str, dict[str, Kind]] = field(init=False)

    def __post_init__(self) -> None:
        self.columns = {
            f"{source['source_name']}.{source['name']}": {
                name: Kind(
                    column["data_type"],
                    (column.get("config") or {}).get("meta", {}).get("format"),
                    (column.get("config") or {}).get("meta", {}).get("timezone"),
                )
                for name, column in source["columns"].items()
            }
            for source in self.manifest["sources"].values()
            if source["loader"] == "gatehouse"
        }

    @cached_property
    def tests(self) -> dict[str, DbtTest]:
        ran = {result["unique_id"]: result for result in self.results["results"]}
        tables = {
            key: f"{node['source_name']}.{node['name']}"
            for key, node in self.manifest["sources"].items()
            if node["loader"] == "gatehouse"
        }
        found = {}
        for key, node in self.manifest["nodes"].items():
            if key not in ran or node["resource_type"] != "test":
                continue
            kwargs = node["test_metadata"]["kwargs"]
            table = next(
                (t for t in tables.values() if "source('{}', '{}')".format(*t.split(".")) in kwargs["model"]), None
            )
            if table is None:
                continue  # a test on a model, whose other side is a source
            found[key] = DbtTest(
                id=key,
                table=table,
                name=node["test_metadata"]["name"],
                column=kwargs.get("column_name"),
                arguments={k: v for k, v in kwargs.items() if k not in ("model", "column_name")},
                severity=node["config"]["severity"].lower(),
                where=node["config"]["where"],
                sql=ran[key]["compiled_code"],
                failures=ran[key]["failures"],
            )
        return found

    def tests_of(self, table: str, severity: str | None = None) -> list[DbtTest]:
        return [t for t in self.tests.values() if t.table == table and severity in (None, t.severity)]


def table_names(project: str) -> list[str]:
    """`source.table` of every source table: from the YAML alone, since pytest collects before dbt can parse."""
    names = []
    models = FOLDERS[project] / ("dbt_project/models" if project == "shop" else "models")
    for path in sorted(models.rglob("_*__sources.yml")):
        for source in yaml.safe_load(path.read_text("utf-8"))["sources"]:
            if source.get("loader") == "gatehouse":
                names += [f"{source['name']}.{table['name']}" for table in source["tables"]]
    return names


def prepare(name: str, server: Settings, batches: list[tuple[str, list[Row]]]) -> Project:
    """The project, with `batches` (table, rows) loaded and all of dbt's source tests run on them.

    Made by the worker that first asks; the others read what it left.
    """
    run = Path(os.environ[RUN_FOLDER])
    state, target = run / "state", run / f"dbt-{name}"
    settings = replace(server, project_dir=FOLDERS[name], state_dir=state, database=f"agreement_{name}")
    done = run / f"agreement-{name}.json"
    with one_at_a_time(run):
        contract = read_contract(settings.project_dir, state)
        if not done.exists():
            run_sql(server, f"drop database if exists {settings.database}")
            run_sql(server, f"create database {settings.database}")
            receipts = _load(settings, contract, batches)
            target.mkdir(exist_ok=True)
            ran = run_dbt(
                "test",
                "--select",
                "source:*,test_type:generic",
                folder=settings.project_dir,
                scratch=target,
                **settings.environment(),
            )
            assert (target / "target" / "run_results.json").exists(), ran.stdout + ran.stderr
            done.write_text(json.dumps([receipt.as_dict() for receipt in receipts]))
    read = (json.loads((target / "target" / f"{what}.json").read_text("utf-8")) for what in ("manifest", "run_results"))
    return Project(name, settings, contract, json.loads(done.read_text("utf-8")), *read)


def _load(settings: Settings, contract: Contract, batches: list[tuple[str, list[Row]]]) -> list[Receipt]:
    engine = make_engine(settings)
    migrate(engine, contract)
    receipts = []
    for table_id, rows in batches:
        table = contract.find(table_id)
        stream = csv_of(rows, list(table.column_names))
        receipts.append(load_stream(engine, contract, table, stream, "csv", Origin("api", "tests")))
        assert receipts[-1].accepted == len(rows), receipts[-1]
    with engine.begin() as connection:
        # `dbt test` looks at what a build saw; this one saw all of it
        connection.execute(
            sa.text(
                "insert into ledger.builds (command, upper_bound, status, finished_at) "
                "select 'by hand', max(seq), 'succeeded', now() from ledger.loads"
            )
        )
    engine.dispose()
    return receipts


@contextmanager
def copy_of(project: Project, server: Settings) -> Iterator[Settings]:
    """A copy of the project's database, without the build: tests then see whatever is there."""
    with ExitStack() as made:
        with one_at_a_time(Path(os.environ[RUN_FOLDER])):
            new = made.enter_context(new_database_of(server, "copy", project.settings.database))
        copy = replace(project.settings, database=new.database)
        run_sql(copy, "truncate ledger.builds cascade")
        yield copy
