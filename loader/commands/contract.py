"""`loader contract`: what the source files say, for people."""

from __future__ import annotations

from pathlib import Path

import click

from loader.commands.db import settings_of
from loader.commands.progress import contract_of
from loader.contract.diagram import ods_page


@click.group()
def contract() -> None:
    """What the dbt project's source files say."""


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
    page = ods_page(contract_of(settings))
    if output == Path("-"):
        click.echo(page, nl=False)
        return
    path = output or settings.project_dir / "docs" / "ods.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    click.echo(f"written: {path}")
