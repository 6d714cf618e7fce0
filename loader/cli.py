"""The ``loader`` command. Exit status 0: all in; 1: failed, nothing loaded; 3: some kept back."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from sqlalchemy.exc import ProgrammingError

from loader.commands.access import token, user
from loader.commands.build import build
from loader.commands.contract import contract
from loader.commands.db import db
from loader.commands.load import load, loads, rejects, replay
from loader.commands.migrate import migrate
from loader.commands.serve import serve, stop
from loader.commands.undo import undo
from loader.commands.up import down, up
from loader.contract.faults import ContractError
from loader.remedy import Remedy
from loader.settings import Settings

FAILED = 1
#: What Postgres says of a table or schema that is not there.
_NOT_MIGRATED = ("42P01", "3F000")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--project-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The dbt project whose sources are the contract (else LOADER_PROJECT_DIR, or here).",
)
@click.pass_context
def cli(context: click.Context, project_dir: Path | None) -> None:
    """The door of the warehouse: judges what comes in by the dbt project's source files."""
    context.obj = Settings.from_environment(project_dir)


for command in (build, contract, db, down, load, loads, migrate, rejects, replay, serve, stop, token, undo, up, user):
    cli.add_command(command)


def main() -> None:
    """Entry point: errors meant for people become one sentence and status 1."""
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except ContractError as error:
        click.echo("The contract can't be honoured:", err=True)
        for fault in error.faults:
            click.echo(f"  {fault}", err=True)
        sys.exit(FAILED)
    except Remedy as error:
        click.echo(str(error), err=True)
        sys.exit(FAILED)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"{place}{error.strerror or error}. Free space or mend the path, and run it again.", err=True)
        sys.exit(FAILED)
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) not in _NOT_MIGRATED:
            raise
        click.echo("The database has no ledger yet. Run `loader migrate` first.", err=True)
        sys.exit(FAILED)
    sys.exit(status if isinstance(status, int) else 0)
