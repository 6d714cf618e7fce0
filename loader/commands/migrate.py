"""`loader migrate`: the database as the contract says."""

from __future__ import annotations

import json

import click
from rich.console import Console

from loader.commands.common import contract_of
from loader.commands.db import settings_of
from loader.contract.faults import ContractError
from loader.database import connection_faults, make_engine, require_version
from loader.departments import Made, make_roles
from loader.migrate import Plan, Refused
from loader.migrate import migrate as migrate_database
from loader.steps import Display


@click.command()
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON, with its SQL.")
@click.pass_context
def migrate(context: click.Context, plan_only: bool, as_json: bool) -> None:
    """Make the ledger and the staging tables what the contract says, and departments' roles.

    The tables in one transaction, or nothing; then the roles that are missing, where this user
    may make any. No data is ever dropped: a change that could lose some is refused, with what
    to do instead.

    Exit status 0: done, or nothing to do. 1: refused, nothing changed.
    """
    settings = settings_of(context)
    engine = make_engine(settings)
    roles = Made()
    try:
        contract = contract_of(settings)
        with connection_faults(settings):
            require_version(engine)
        with Display("migrating", Console(stderr=True), at_once=False) as display:
            plan = migrate_database(
                engine, contract, plan_only,
                say=lambda words: click.echo(words, err=True),
                progress=lambda done, total: display.show("", done, total, "changes"),
            )  # fmt: skip
        roles = make_roles(engine, contract.departments, plan_only)
    except Refused as error:
        plan = error.plan
    except ContractError as error:
        for fault in error.faults:
            click.echo(f"refused: {fault}", err=True)
        context.exit(1)
    finally:
        engine.dispose()
    if as_json:
        more = {"roles": roles.made, "roles_missing": roles.missing}
        click.echo(json.dumps(plan.as_json() | more | {"applied": not plan_only and not plan.refusals}, indent=2))
    else:
        _print(plan, roles, plan_only)
    context.exit(1 if plan.refusals else 0)


def _print(plan: Plan, roles: Made, plan_only: bool) -> None:
    if plan_only or not plan.refusals:
        for line in [*plan.lines(), *roles.lines()]:
            click.echo(line)
    for warning in [*plan.warnings, *roles.warnings()]:
        click.echo(f"warning: {warning}", err=True)
    for fault in plan.refusals:
        click.echo(f"refused: {fault}", err=True)
    if plan.refusals:
        click.echo(f"Nothing was changed: {len(plan.refusals)} refused.", err=True)
    elif plan.is_empty and not roles.made:
        click.echo("Nothing to do: the database is as the contract says.")
    elif plan_only:
        click.echo("This is the plan; nothing was changed.")
    else:
        click.echo("Done.")
