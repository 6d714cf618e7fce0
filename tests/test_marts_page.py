"""The page of questions has one for each mart, and its answers are the demonstration shop's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from loader import demonstration
from loader.build import build
from loader.contract.read import read_contract
from loader.settings import Settings
from loader.steps import Steps
from tests.conftest import ROOT
from tests.marts_page import PAGE, ask, questions


def test_every_mart_is_asked_once() -> None:
    models = (ROOT / "dbt_project" / "models" / "marts").glob("*/*.sql")
    marts = sorted(f"mart_{path.parent.name}.{path.stem}" for path in models)
    assert sorted(question.mart for question in questions()) == marts
    for question in questions():
        assert question.mart in question.sql, f"{question.mart} is not what is asked"
        assert re.search(r"\(\d+ rows?\)\n$", question.answer), f"{question.mart}: an answer that is cut"
    assert len(re.findall(r"^```sql$", PAGE.read_text("utf-8"), re.MULTILINE)) == len(marts)


@pytest.mark.deep
def test_the_answers_are_those_of_the_whole_shop(settings: Settings, engine: sa.Engine, tmp_path: Path) -> None:
    here = replace(settings, state_dir=tmp_path)
    contract = read_contract(here.project_dir, here.state_dir)
    with Steps().step("shop") as step:
        demonstration.load_shop(here, engine, contract, "sample", 1.0, step)
    build(here, engine)
    environment = here.environment()
    found = {question.mart: ask(question.sql, environment) for question in questions()}
    assert found == {question.mart: _tidy(question.answer) for question in questions()}


def _tidy(answer: str) -> str:
    return "".join(line.rstrip() + "\n" for line in answer.splitlines())
