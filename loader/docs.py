"""dbt's own docs of the project: made by `dbt docs generate`, shown by the pages."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from loader.dbt import Run, run_dbt
from loader.remedy import Remedy
from loader.settings import Settings
from loader.steps import Steps

PAGE, MANIFEST, CATALOG = "index.html", "manifest.json", "catalog.json"


def made_at(target: Path) -> datetime | None:
    """When the docs in dbt's ``target`` folder were made, in UTC; None when there are none."""
    try:
        times = [(target / name).stat().st_mtime for name in (PAGE, MANIFEST, CATALOG)]
    except OSError:
        return None
    return datetime.fromtimestamp(times[-1], UTC)


def are_current(target: Path) -> bool:
    """Whether dbt has done nothing since the docs were made: each build writes its manifest anew."""
    made = made_at(target)
    return made is not None and (target / MANIFEST).stat().st_mtime <= made.timestamp()


def bring_docs_up_to_date(settings: Settings, run: Run | None = None) -> str:
    """Makes the docs where they are missing or older than the last build; says what was done.
    By `run` where a dbt is there already. Raises Remedy with dbt's last lines when it can't."""
    if are_current(settings.dbt_target):
        return "nothing new since they were made"
    # compiling every node would take longer than all else, and write over what `dbt retry` reads
    (run or partial(run_dbt, settings))("docs", "generate", "--no-compile")
    return "made"


def make_docs(settings: Settings, steps: Steps, run: Run | None = None) -> None:
    """The step after a build. Docs that can't be made are said, and are no reason to fail."""
    with steps.step("dbt docs") as step:
        try:
            step.detail = bring_docs_up_to_date(settings, run)
        except Remedy as failure:
            step.detail = f"not made, the pages show what was there. {failure}"
