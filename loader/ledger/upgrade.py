"""Which revision the ledger is at, and the way to the newest one."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from loader.ledger.models import SCHEMA
from loader.remedy import Remedy

_MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True)
class LedgerStep:
    """From the revision that stands (``None``: there is no ledger) to this program's."""

    standing: str | None
    newest: str

    @property
    def is_needed(self) -> bool:
        return self.standing != self.newest

    def __str__(self) -> str:
        return f"ledger: revision {self.standing or 'none'} → {self.newest}"


def ledger_step(connection: sa.Connection) -> LedgerStep:
    """Reads the ledger's revision; changes nothing.

    Raises :class:`Remedy` when the ledger was made by a newer program, or when the schema
    holds tables that no revision made.
    """
    scripts = ScriptDirectory.from_config(_config())
    newest = scripts.get_current_head()
    assert newest is not None, "the migrations have a head"
    tables = set(sa.inspect(connection).get_table_names(schema=SCHEMA))
    if "alembic_version" not in tables:
        if tables:
            raise Remedy(
                f"The schema {SCHEMA} holds {', '.join(sorted(tables)[:5])}, which Gatehouse did not make.",
                f"Rename that schema (alter schema {SCHEMA} rename to …), or use another database.",
            )
        return LedgerStep(None, newest)
    revisions = connection.scalars(sa.text(f"select version_num from {SCHEMA}.alembic_version"))
    standing = revisions.one_or_none()
    known = {script.revision for script in scripts.walk_revisions()}
    if standing is not None and standing not in known:
        raise Remedy(
            f"The ledger is at revision {standing}, and this program knows none beyond {newest}: "
            "a newer version of Gatehouse made it.",
            "Use that version or a newer one.",
        )
    return LedgerStep(standing, newest)


def upgrade_ledger(connection: sa.Connection) -> None:
    """Brings the ledger to the newest revision within the connection's transaction."""
    if not sa.inspect(connection).has_schema(SCHEMA):  # `if not exists` would ask for the right to make one
        connection.execute(sa.text(f"create schema {SCHEMA}"))
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
