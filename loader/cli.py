"""The ``loader`` command. Exit status 0: all in; 1: failed, nothing loaded; 3: some kept back."""

from __future__ import annotations

import atexit
import gc
import sys
from importlib import import_module
from pathlib import Path

import click
import psycopg2
from sqlalchemy.exc import DBAPIError

from loader.contract.faults import ContractError
from loader.database import ended_by, is_fault_of_ours
from loader.remedy import Remedy
from loader.settings import Settings

FAILED = 1
#: What Postgres says of a table or schema that is not there.
_NOT_MIGRATED = ("42P01", "3F000")
#: Each command and the module of it under `loader.commands`.
_COMMANDS = {
    "build": "build", "contract": "contract", "db": "db", "department": "department", "dismiss": "dismiss",
    "down": "up", "load": "load", "loads": "lists", "migrate": "migrate", "rejects": "lists", "replay": "load",
    "serve": "serve", "stop": "serve", "token": "access", "trace": "trace", "undo": "undo", "up": "up",
    "user": "access",
}  # fmt: skip


class _Commands(click.Group):
    """Imports the one command that is asked for: all of them take longer than many a load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        gc.disable()  # of what modules are made of nothing is garbage
        try:
            command: click.Command = getattr(import_module(f"loader.commands.{_COMMANDS[cmd_name]}"), cmd_name)
        finally:
            gc.enable()
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--project-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The dbt project whose sources are the contract (else LOADER_PROJECT_DIR, or here).",
)
@click.pass_context
def cli(context: click.Context, project_dir: Path | None) -> None:
    """The door of the warehouse: judges what comes in by the dbt project's source files."""
    context.obj = Settings.from_environment(project_dir)


def main() -> None:
    """Entry point: errors meant for people become one sentence and status 1."""
    atexit.register(gc.freeze)  # else Python looks at its end for garbage among all modules, for half a second
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
    except (DBAPIError, psycopg2.Error) as error:
        click.echo(_words(error), err=True)
        sys.exit(FAILED)
    sys.exit(status if isinstance(status, int) else 0)


def _words(error: DBAPIError | psycopg2.Error) -> str:
    """What the database said, as a sentence; raises it again if the program is at fault."""
    if getattr(getattr(error, "orig", error), "pgcode", None) in _NOT_MIGRATED:
        return "The database has no ledger yet. Run `loader migrate` first."
    if is_fault_of_ours(error):
        raise error
    words = ended_by(error, work="command", again="Run it again")
    return f"{words[0].upper()}{words[1:]}."
