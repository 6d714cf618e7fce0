"""``loader dismiss``: kept rows that nobody will mend."""

from __future__ import annotations

import click
import psycopg2.errors
import sqlalchemy as sa

from loader.commands.common import open_database, person
from loader.ledger import dismissals
from loader.remedy import Remedy
from loader.settings import Settings

LOCK_SECONDS = 30


@click.command()
@click.argument("reject_ids", metavar="REJECT_ID…", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@click.option("--load", "load_id", type=click.IntRange(1, 2**63 - 1), help="All rows of this load that are open still.")
@click.option("--why", required=True, help="The reason; it is kept with the row, and so is who you are.")
@click.pass_obj
def dismiss(settings: Settings, reject_ids: tuple[int, ...], load_id: int | None, why: str) -> None:
    """Put kept rows aside: they count no longer as refused or waiting.

    Nothing is deleted, and what a load's receipt said stays. For a row that is to come in
    after all, mend the contract or the row and `loader replay` it instead.
    """
    if bool(reject_ids) == (load_id is not None):
        raise click.UsageError("name rows by their reject_id, or a load by --load")
    if not why.strip():
        raise click.UsageError("--why is empty")
    try:
        with open_database(settings).begin() as connection:
            connection.execute(sa.text(f"set local lock_timeout = '{LOCK_SECONDS}s'"))
            chosen = list(dict.fromkeys(reject_ids)) or dismissals.open_rows_of(connection, load_id or 0)
            if not chosen:
                raise Remedy(f"Load {load_id} has no open row.", "`loader rejects` lists those there are.")
            count = dismissals.dismiss(connection, chosen, person(), why.strip())
    except psycopg2.errors.LockNotAvailable as error:
        raise Remedy(
            "A load into the table is still at work.", "Nothing was dismissed: try again when it has ended."
        ) from error
    click.echo(f"dismissed: {count:,} {'row' if count == 1 else 'rows'}")
