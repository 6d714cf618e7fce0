"""``loader undo``: say what undoing a load changes, ask, and do it."""

from __future__ import annotations

import json
import sys

import click

from loader.commands.common import ALL_IN, FAILED, contract_of, open_database, person, printable, say_waiting
from loader.commands.load import words_of_cascades
from loader.intake.aftermath import Bereft
from loader.intake.attempt import LoadFailed
from loader.intake.undo import NoSuchLoad, Plan, Undone, UndoRefused
from loader.intake.undo import undo as undo_load
from loader.remedy import Remedy
from loader.settings import Settings


@click.command()
@click.argument("load_id", metavar="LOAD", type=click.IntRange(1, 2**63 - 1))
@click.option("--plan", "only_plan", is_flag=True, help="Say what it would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--cascade",
    type=click.Choice(["wait"]),
    help="Rows of other loads whose parent goes wait for it. Without this, such a load stays.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the receipt and the plan as JSON.")
@click.pass_obj
def undo(settings: Settings, load_id: int, only_plan: bool, yes: bool, cascade: str | None, as_json: bool) -> int:
    """Undo a load: what it brought goes, what it had replaced stands again."""
    contract = contract_of(settings)
    engine = open_database(settings)
    try:
        if only_plan or not yes:
            planned = undo_load(engine, contract, load_id, person(), cascade, dry_run=True, waiting=say_waiting)
            if planned.plan is None or only_plan:
                return _print(planned, as_json)
            if planned.plan.needs_cascade and cascade is None:
                click.echo(_words(planned), err=as_json)
                click.echo(
                    "Nothing was changed. Undo the loads that brought these rows first, or say --cascade wait.",
                    err=True,
                )
                return FAILED
            click.echo(_words(planned), err=as_json)
            if not sys.stdin.isatty():
                raise Remedy("Nobody is there to say yes.", "Add --yes; --plan only tells what it would change.")
            click.confirm("Undo it?", abort=True, err=as_json)
        return _print(undo_load(engine, contract, load_id, person(), cascade, waiting=say_waiting), as_json)
    except NoSuchLoad as error:
        raise Remedy(str(error), "`loader loads` lists those there are.") from error
    except LoadFailed as error:
        raise Remedy(f"{error.outcome}: {error}.") from error
    except UndoRefused as error:
        raise Remedy(f"Nothing was changed: {error}.") from error


def _print(undone: Undone, as_json: bool) -> int:
    if as_json:
        plan = undone.plan.as_dict() if undone.plan else None
        click.echo(json.dumps({**undone.receipt.as_dict(), "plan": plan}, indent=2))
    else:
        click.echo(_words(undone))
    return ALL_IN


def _words(undone: Undone) -> str:
    """What was done or would be, for a person at a terminal."""
    receipt, plan = undone.receipt, undone.plan
    if plan is None:
        return f"nothing to undo: it was undone already, by load {receipt.load_id}"
    head = f"undone by load {receipt.load_id}" if receipt.load_id else "plan, nothing changed"
    lines = [f"load {plan.load_id} of {plan.source}.{plan.table}: {head}", *_effects(plan)]
    if receipt.load_id:
        lines += words_of_cascades(receipt)
    return "\n".join(map(printable, lines))


def _effects(plan: Plan) -> list[str]:
    keys = f": {'; '.join(plan.keys)}{'; …' if plan.gone > len(plan.keys) else ''}" if plan.keys else ""
    counted = [
        (plan.retracted, "versions or deletes taken back"),
        (plan.restored, "versions or deletes that count again"),
        (plan.gone, f"rows gone from the table{keys}"),
        (plan.standing_again, "rows of which an earlier version stands again"),
        (plan.dismissed, "kept rows that will not come in any more"),
        (plan.released, "rows let in that had been kept or waiting"),
    ]
    lines = [f"  {number:,} {words}" for number, words in counted if number]
    lines += [f"  {_bereft(part)}" for part in plan.waiting]
    if plan.later:
        named = ", ".join(f"load {later.load_id} ({later.keys:,})" for later in plan.later[:5])
        more = ", …" if len(plan.later) > 5 else ""
        lines.append(f"  later loads brought the same keys, and stay as they are: {named}{more}")
    return lines or ["  nothing of it stands"]


def _bereft(part: Bereft) -> str:
    keys = f"{'; '.join(part.keys)}{'; …' if part.rows > len(part.keys) else ''}"
    whose = "that had waited for it wait again" if part.released else "lose their parent and wait"
    return f"{part.rows:,} rows of {part.table} {whose}: {keys}"
