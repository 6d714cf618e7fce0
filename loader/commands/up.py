"""`loader up` and `loader down`: everything, on one machine."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
import sqlalchemy as sa

from loader import build, demonstration
from loader.commands.db import settings_of
from loader.contract.read import read_contract
from loader.database import check, make_engine
from loader.departments import close_to_everybody, make_roles
from loader.docs import make_docs
from loader.embedded import EmbeddedServer, is_embedded
from loader.ledger import access
from loader.ledger.models import User
from loader.migrate import migrate
from loader.remedy import Remedy
from loader.settings import Settings
from loader.steps import Step, Steps
from loader.watch_process import WatchProcess
from loader.web_server import WebServer

ADMINISTRATOR = "admin"


@click.command()
@click.option(
    "--data",
    type=click.Choice(["sample", "full", "none"]),
    default="sample",
    show_default=True,
    help="The demonstration shop: with four weeks of promotions, with all 20.9 million rows of them, or no shop.",
)
@click.option("--scale", type=click.FloatRange(0.001, 20_000), default=1.0, show_default=True)
@click.option("--port", default=8000, show_default=True, envvar="PORT", type=click.IntRange(1, 65535))
@click.option(
    "--watch/--no-watch", "is_watched", default=True, show_default=True, help="Build what is loaded as it comes."
)
@click.pass_context
def up(context: click.Context, data: str, scale: float, port: int, is_watched: bool) -> None:
    """Start everything: database, tables, demonstration data, marts, pages.

    Safe to repeat: what is there is left, and only what changed is done again.
    """
    settings = settings_of(context)
    with one_at_a_time(settings):
        bring_up(settings, data, scale, port, is_watched)


def bring_up(settings: Settings, data: str, scale: float, port: int, is_watched: bool = False) -> None:
    """The steps of `up`, one after the other."""
    steps = Steps()
    server = WebServer(settings, port=port)
    server.require_place()  # now, not after minutes of loading
    watch = WatchProcess(settings)
    watch.stop()  # it is of the program as it was, and would build what is loaded half-way
    with steps.step("database") as step:
        start_database(settings, step)
    engine = make_engine(settings)
    with steps.step("migrate") as step:
        contract = read_contract(settings.project_dir, settings.state_dir, say=step.progress)
        plan = migrate(engine, contract, say=step.say, progress=partial(step.progress, "migrating", unit="changes"))
        step.detail = "nothing to do" if plan.is_empty else f"{len(plan.changes)} changes"
        for warning in make_roles(engine, contract.departments).warnings():
            step.say(warning)
        if is_embedded(settings):
            close_to_everybody(engine)
    if data != "none":
        with steps.step("demonstration data") as step:
            step.detail = demonstration.load_shop(settings, engine, contract, data, scale, step)
    with steps.step("dbt build") as step:
        failure = bring_up_to_date(settings, engine, step)
    if not failure:
        make_docs(settings, steps)
    with steps.step("serve") as step:
        step.progress("waiting for the first answer")
        login = first_login(settings, engine)
        step.detail = "started" if server.start() else "runs already, reloaded"
    if is_watched:
        with steps.step("watch") as step:
            watch.start()
            step.detail = f"started: what is loaded from now on is built as it comes, log {watch.log}"
    engine.dispose()
    if failure:
        raise failure
    click.echo()
    click.echo(f"  pages     {server.address}")
    click.echo(f"  login     {login}")
    click.echo(f'  database  {settings.where}; for psql and BI: eval "$(.venv/bin/loader db env)"')


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Keeps a second `up` of the same folder out until the first has ended."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with (settings.state_dir / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            click.echo("another `up` is at work here; this one goes on when it has ended")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@click.command()
@click.pass_context
def down(context: click.Context) -> None:
    """Stop what `loader up` started: the watch, the web server and the embedded database."""
    settings = settings_of(context)
    watch = WatchProcess(settings).stop()
    click.echo("watch: " + ("stopped" if watch else "did not run"))
    web = WebServer(settings).stop()
    click.echo("web server: " + ("stopped" if web else "did not run"))
    database = EmbeddedServer.of(settings).stop()
    click.echo("embedded database: " + ("stopped, its data stay" if database else "did not run"))


def start_database(settings: Settings, step: Step) -> None:
    """Starts the embedded server, unless PGHOST names another; then sees whether
    there is a way in. Raises Remedy if not."""
    if is_embedded(settings):
        started = EmbeddedServer.of(settings, say=step.say).start()
        step.detail = f"embedded server {'started' if started else 'runs already'}"
    else:
        step.detail = "your own server"
    version = check(settings)
    step.detail += f", PostgreSQL {version}, {settings.host}:{settings.port}"


def bring_up_to_date(settings: Settings, engine: sa.Engine, step: Step) -> Remedy | None:
    """Builds what has to be built. A failure is returned, not raised: the pages are to
    be had all the same, and readers of the marts keep what they had."""
    try:
        with build.turn(engine, step.say):
            if build.is_current(settings, engine):
                step.detail = "nothing new since the last one"
                return None
            step.detail = str(build.build(settings, engine, progress=step.progress) or "not recorded")
    except Remedy as failure:
        step.detail = "failed, see below; the marts are as they were"
        return failure
    return None


def first_login(settings: Settings, engine: sa.Engine) -> str:
    """Makes the user `admin` with a random password when there is none yet, and keeps
    the login for whoever may read `<state>/login`. Returns it, or where it is."""
    file = settings.state_dir / "login"
    with engine.begin() as connection:
        if connection.scalar(sa.select(sa.literal(1)).where(User.name == ADMINISTRATOR)) is None:
            password = secrets.token_urlsafe(12)
            write_secret(file, json.dumps({"user": ADMINISTRATOR, "password": password}))
            access.set_password(connection, ADMINISTRATOR, password, "admin")
    try:
        login = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return f"{ADMINISTRATOR}, whose password was set elsewhere"
    return f"{login['user']} / {login['password']}   (kept in {file})"


def write_secret(file: Path, text: str) -> None:
    """Writes a file that only its owner may read, also at the moment it is made."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text + "\n")
