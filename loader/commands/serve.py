"""`loader serve` and `loader stop`: the pages and the API."""

from __future__ import annotations

import click

from loader.commands.db import settings_of
from loader.web_server import WebServer


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 is all of them."
)
@click.option("--port", default=8000, show_default=True, envvar="PORT", type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Processes; each has 8 threads.")
@click.option("--background", is_flag=True, help="Return when it answers, and leave it running.")
@click.pass_context
def serve(context: click.Context, host: str, port: int, workers: int, background: bool) -> None:
    """Serve the pages and the API."""
    server = WebServer(settings_of(context), host, port, workers)
    if not background:
        server.run()
    began = server.start()
    click.echo(f"{'serving' if began else 'serves already, reloaded'}: {server.address}, log {server.log}")


@click.command()
@click.pass_context
def stop(context: click.Context) -> None:
    """Stop the server that runs in the background."""
    stopped = WebServer(settings_of(context)).stop()
    click.echo("stopped" if stopped else "it does not run")
