"""dbt's docs are made by what builds, and only when dbt has done something since."""

from __future__ import annotations

import os
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from loader import dbt, docs
from loader.commands.build import make_docs
from loader.settings import Settings
from loader.steps import Steps


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    (tmp_path / "target").mkdir()
    return Settings(project_dir=tmp_path, state_dir=tmp_path)


def write(settings: Settings, name: str, second: int) -> None:
    path = settings.project_dir / "target" / name
    path.write_text("{}")
    os.utime(path, (second, second))


def test_docs_are_current_until_dbt_writes_its_manifest_anew(here: Settings) -> None:
    assert docs.made_at(here.dbt_target) is None
    write(here, docs.PAGE, 5)
    write(here, docs.MANIFEST, 10)
    assert not docs.are_current(here.dbt_target)
    write(here, docs.CATALOG, 11)
    assert docs.are_current(here.dbt_target)
    made = docs.made_at(here.dbt_target)
    assert made is not None
    assert made.timestamp() == 11
    write(here, docs.MANIFEST, 12)
    assert not docs.are_current(here.dbt_target)


def test_current_docs_cost_no_call_of_dbt(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbt, "dbt_command", lambda: ["false"])
    for name in (docs.PAGE, docs.MANIFEST, docs.CATALOG):
        write(here, name, 10)
    assert docs.bring_docs_up_to_date(here) == "nothing new since they were made"


def test_docs_that_can_not_be_made_are_said_and_fail_nothing(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbt, "dbt_command", lambda: ["sh", "-c", "echo no such relation; exit 2"])
    out = StringIO()
    make_docs(here, Steps(Console(file=out, width=200)))
    assert "not made" in out.getvalue()
    assert "no such relation" in out.getvalue()


def test_dbt_makes_the_docs(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: little\nprofile: little\nmodel-paths: [models]\n")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "one.sql").write_text("select 1 as number")
    (tmp_path / "profiles.yml").write_text(
        "little:\n  target: here\n  outputs:\n    here: {type: postgres, schema: little, threads: 1, "
        f"host: {settings.host}, port: {settings.port}, user: {settings.user}, "
        f"password: {settings.password}, dbname: {settings.database}}}\n"
    )
    little = replace(settings, project_dir=tmp_path)
    dbt.run_dbt(little, "parse")  # a build writes the manifest; the docs add page and catalog to it
    assert docs.bring_docs_up_to_date(little) == "made"
    assert docs.are_current(tmp_path / "target")
