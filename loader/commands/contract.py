"""`loader contract`: what the source files say, for people."""

from __future__ import annotations

import json
from pathlib import Path

import click

from loader.commands.db import settings_of
from loader.contract.diagram import ods_page
from loader.contract.read import read_contract
from loader.contract.survey import survey
from loader.contract.survey_words import survey_text


@click.group()
def contract() -> None:
    """What the dbt project's source files say."""


@contract.command()
@click.option("--json", "as_json", is_flag=True, help="All of it as JSON, also what is fine.")
@click.pass_context
def check(context: click.Context, as_json: bool) -> int:
    """Say of every source table what the doors enforce, or would, and what stands in the way.

    Works on any dbt project, and needs no database. Exit status 0: every table that says
    `loader: gatehouse` can be honoured; 1: some can't.
    """
    settings = settings_of(context)
    found = survey(settings.project_dir, settings.state_dir)
    click.echo(json.dumps(found.as_dict(), indent=2) if as_json else survey_text(found), nl=as_json)
    return 0 if found.honoured else 1


@contract.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; else docs/ods.md in the project, and - prints it.",
)
@click.pass_context
def diagram(context: click.Context, output: Path | None) -> None:
    """Draw the source tables, their columns, rules and relations, as Markdown with Mermaid."""
    settings = settings_of(context)
    page = ods_page(read_contract(settings.project_dir, settings.state_dir))
    if output == Path("-"):
        click.echo(page, nl=False)
        return
    path = output or settings.project_dir / "docs" / "ods.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    click.echo(f"written: {path}")
