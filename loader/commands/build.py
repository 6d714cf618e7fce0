"""`loader build`: the warehouse and the marts, by dbt."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click
from rich.console import Console

from loader import build as builds
from loader.commands.db import settings_of
from loader.database import connection_faults, make_engine, require_version
from loader.docs import make_docs
from loader.remedy import Remedy
from loader.settings import Settings
from loader.steps import Steps
from loader.watch import Watch
from loader.watch_log import DatedLines
from loader.watch_process import WatchProcess


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--if-needed", is_flag=True, help="Do nothing if the last build saw every load and this project.")
@click.option("--watch", "is_watch", is_flag=True, help="Stay, and build what new loads touch as they come.")
@click.option("--watch-log", type=click.Path(path_type=Path), hidden=True)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def build(
    context: click.Context, if_needed: bool, is_watch: bool, watch_log: Path | None, arguments: tuple[str, ...]
) -> None:
    """Run `dbt build` on what was loaded; ARGUMENTS go to dbt, as in --full-refresh.

    The marts are published when every stopping test has passed; else readers keep
    what they had, and the exit status is 1. A part that is not enough to publish ends
    with 0, and says so. One build at a time: another one waits.
    """
    settings = settings_of(context)
    if is_watch:
        if arguments or if_needed:
            raise Remedy("--watch chooses itself what is built.", "Leave the other arguments out.")
        watch(settings, watch_log)
        return
    engine = make_engine(settings)
    with connection_faults(settings):
        require_version(engine)
    steps = Steps()
    with builds.turn(engine, steps.say), steps.step("dbt build") as step:
        if if_needed and not arguments and builds.is_current(settings, engine):
            step.detail = "nothing new since the last one"
        else:
            step.detail = str(builds.build(settings, engine, *arguments, progress=step.progress) or "not recorded")
    engine.dispose()
    make_docs(settings, steps)


def watch(settings: Settings, log: Path | None = None) -> None:
    """Builds until it is ended, by Ctrl-C, SIGTERM or its terminal's end; what it is at then is
    broken off, and nothing of it published."""
    is_seen = log is None and sys.stdout.isatty()
    steps = Steps(None if is_seen else Console(file=DatedLines(log)))
    engine = make_engine(settings, connect_args={"application_name": builds.APPLICATION_NAME})
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as by nohup
            signal.signal(number, signal.default_int_handler)
    try:
        with WatchProcess(settings).only_one() as is_up:
            steps.say("watching for loads; what they touch is built as they come")
            Watch(settings, engine, steps, is_up=is_up).run()
    except KeyboardInterrupt:
        steps.say("the watch has ended")
    finally:
        engine.dispose()
