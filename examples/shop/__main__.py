"""The command: python -m examples.shop make --out DIR."""

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from examples.shop.generate import DEFAULT_SEED, make
from examples.shop.late import late_products
from examples.shop.manifest import Parameters, standing
from examples.shop.marketing import PROMOTION_WEEKS


class RowRate(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")


@click.group()
def shop() -> None:
    """The demonstration shop's data."""


@shop.command("make")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the files.")
@click.option("--scale", type=float, default=1.0, show_default=True, help="1 is all households; 0.01 a hundredth.")
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Of everything simulated.")
@click.option("--promotions", type=click.Choice(list(PROMOTION_WEEKS)), default="four-weeks", show_default=True,
              help="How much of the 20.9 million promotion rows.")  # fmt: skip
def make_command(out: Path, scale: float, seed: int, promotions: str) -> None:
    """Write the files to load, and loads.json, which lists them in order."""
    # Progress goes to stderr: stdout says what there is now.
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RowRate(), TimeRemainingColumn())
    try:
        is_there = standing(out, Parameters(scale, seed, promotions)) is not None
        with Progress(*columns, console=console) as progress:
            tasks: dict[str, TaskID] = {}

            def report(stage: str, done: int, total: int) -> None:
                if stage not in tasks:
                    tasks[stage] = progress.add_task(stage, total=total)
                progress.update(tasks[stage], completed=done)

            loads = make(out, scale, seed, promotions, report)
    except (ValueError, ModuleNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    for load in loads:
        click.echo(f"{load.rows:>12,}  {load.table:<30}{load.file}")
    click.echo(f"{'Already there' if is_there else 'Written'}: {len(loads)} files in {out}; loads.json lists them.")


@shop.command("late-products")
def late_products_command() -> None:
    """Print the 17 products that order lines wait for, as JSON (examples/late_products.json)."""
    sys.stdout.write(late_products())


if __name__ == "__main__":
    shop(prog_name="python -m examples.shop")
