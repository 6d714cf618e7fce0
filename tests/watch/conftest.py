"""A watch on a database of its own, for each test."""

from __future__ import annotations

from dataclasses import replace as replaced
from io import StringIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from rich.console import Console

from loader import docs
from loader.settings import Settings
from loader.steps import Steps
from loader.watch import Watch
from tests.watch.watched import Dbt, Watched


@pytest.fixture
def watched(settings: Settings, engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(docs, "make_docs", lambda *_: None)
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    (tmp_path / "models").mkdir()
    out, slept = StringIO(), list[float]()
    here = replaced(settings, project_dir=tmp_path, state_dir=tmp_path / "state")
    watch = Watch(here, engine, Steps(Console(file=out, width=200)), slept.append)
    dbt = Dbt(engine)
    monkeypatch.setattr(watch, "dbt", dbt)
    return Watched(watch, dbt, out, slept)
