"""`loader db`: the embedded server, for one person's machine."""

from __future__ import annotations

import shlex

import click

from loader.embedded import EmbeddedServer
from loader.settings import Settings


@click.group()
def db() -> None:
    """The embedded PostgreSQL server."""


def settings_of(context: click.Context) -> Settings:
    """The settings of this call, which `loader` puts into `context.obj`."""
    return context.obj if isinstance(context.obj, Settings) else Settings.from_environment(context.obj)


@db.command()
@click.pass_context
def start(context: click.Context) -> None:
    """Start it; the first time, make its data directory."""
    settings = settings_of(context)
    server = EmbeddedServer.of(settings, say=click.echo)
    began = server.start()
    click.echo(f"{'started' if began else 'runs already'}: {settings.where}, log {server.log}")


@db.command()
@click.pass_context
def stop(context: click.Context) -> None:
    """Stop it; its data stay."""
    stopped = EmbeddedServer.of(settings_of(context)).stop()
    click.echo("stopped" if stopped else "it does not run")


@db.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Say whether it runs: exit status 0 if so, else 3."""
    now = EmbeddedServer.of(settings_of(context)).status()
    where = f", process {now.pid}, port {now.port}" if now.pid else ""
    click.echo(f"{now.state}{where}, data {now.data_dir}")
    context.exit(0 if now.state == "running" else 3)


@db.command()
@click.pass_context
def env(context: click.Context) -> None:
    """Print the connection as exports: eval "$(loader db env)"."""
    for name, value in settings_of(context).environment().items():
        click.echo(f"export {name}={shlex.quote(value)}")


@db.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def clean(context: click.Context, yes: bool) -> None:
    """Stop it and remove its data."""
    server = EmbeddedServer.of(settings_of(context))
    if not yes:
        click.confirm(f"Remove every load, reject and mart under {server.data_dir}?", abort=True)
    click.echo("removed" if server.clean() else "there was nothing to remove")
