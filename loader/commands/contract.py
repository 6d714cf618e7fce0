"""`loader contract`: what the source files say, for people."""

from __future__ import annotations

import json
from pathlib import Path

import click

from loader.commands.common import contract_of
from loader.commands.db import settings_of
from loader.contract.diagram import ods_page
from loader.contract.draft import sources_file
from loader.contract.draft_edit import write_draft
from loader.contract.drafting import Drafting
from loader.contract.manifest import whole_manifest
from loader.contract.survey import survey
from loader.contract.survey_words import survey_text
from loader.settings import Settings
from loader.warehouse_page import warehouse_page


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
@click.argument("name", metavar="SOURCE[.TABLE]")
@click.option("--from-database", is_flag=True, help="From tables that stand: types, keys, not null, comments.")
@click.option(
    "--from-file",
    "sample",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="From a sample: .csv, .tsv, .ndjson, .jsonl or .parquet.",
)
@click.option("--schema", help="The schema of the tables, where the project does not say it.")
@click.option("--write", is_flag=True, help="Add to the sources file what it lacks; nothing that stands is changed.")
@click.pass_context
def draft(
    context: click.Context, name: str, from_database: bool, sample: Path | None, schema: str | None, write: bool
) -> None:
    """Write the types, keys and not_null of a source, as dbt reads them, to standard output.

    What a sample can't tell is a guess or left out, and said to be.
    """
    if from_database == (sample is not None):
        raise click.UsageError("say either --from-database or --from-file SAMPLE")
    settings = settings_of(context)
    source, _, table = name.partition(".")
    if sample is not None and not table:
        raise click.UsageError("a sample is of one table: write SOURCE.TABLE")
    drafted = Drafting(settings, source, table or None, schema)
    tables = drafted.from_file(sample) if sample is not None else drafted.from_database()
    if not write:
        click.echo(sources_file(source, drafted.schema, tables), nl=False)
        return
    path = drafted.file
    added = write_draft(path, source, tables)
    click.echo(
        "\n".join([f"{path}:", *(f"  added {words}" for words in added)] if added else [f"{path} lacks nothing"])
    )


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
    _write(settings, ods_page(contract_of(settings)), output, "ods.md")


@contract.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; else docs/warehouse.md in the project, and - prints it.",
)
@click.pass_context
def models(context: click.Context, output: Path | None) -> None:
    """Draw the star, and where each mart comes from and who asks it, as Markdown with Mermaid."""
    settings = settings_of(context)
    _write(settings, warehouse_page(whole_manifest(settings.project_dir)), output, "warehouse.md")


def _write(settings: Settings, page: str, output: Path | None, name: str) -> None:
    if output == Path("-"):
        click.echo(page, nl=False)
        return
    path = output or settings.project_dir / "docs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    click.echo(f"written: {path}")
