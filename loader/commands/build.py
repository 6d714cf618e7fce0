"""`loader build`: the warehouse and the marts, by dbt."""

from __future__ import annotations

import click

from loader import build as builds
from loader import docs
from loader.commands.db import settings_of
from loader.database import connection_faults, make_engine, require_version
from loader.remedy import Remedy
from loader.settings import Settings
from loader.steps import Steps


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--if-needed", is_flag=True, help="Do nothing if the last build saw every load and this project.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def build(context: click.Context, if_needed: bool, arguments: tuple[str, ...]) -> None:
    """Run `dbt build` on what was loaded; ARGUMENTS go to dbt, as in --full-refresh.

    The marts are published when every stopping test has passed; else readers keep
    what they had, and the exit status is 1.
    """
    settings = settings_of(context)
    engine = make_engine(settings)
    with connection_faults(settings):
        require_version(engine)
    steps = Steps()
    with steps.step("dbt build") as step:
        if if_needed and not arguments and builds.is_current(settings, engine):
            step.detail = "nothing new since the last one"
        else:
            builds.build(settings, engine, *arguments, progress=step.progress)
            step.detail = builds.outcome(engine)
    engine.dispose()
    make_docs(settings, steps)


def make_docs(settings: Settings, steps: Steps) -> None:
    """The step after a build. Docs that can't be made are said, and are no reason to fail."""
    with steps.step("dbt docs") as step:
        try:
            step.detail = docs.bring_docs_up_to_date(settings)
        except Remedy as failure:
            step.detail = f"not made, the pages show what was there. {failure}"
