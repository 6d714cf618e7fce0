"""The ledger: every load, every row that was not let in, every build, and who may come in."""

from __future__ import annotations

from loader.settings import Settings


def migrate(settings: Settings) -> None:
    """Brings the ledger alone to the newest revision; staging is :mod:`loader.migrate`'s.

    Raises :class:`~loader.remedy.Remedy` when a newer program made the ledger.
    """
    # Alembic takes a while to import, and only migrating needs it.
    from loader.database import make_engine
    from loader.ledger.upgrade import ledger_step, upgrade_ledger

    engine = make_engine(settings)
    try:
        with engine.begin() as connection:
            if ledger_step(connection).is_needed:
                upgrade_ledger(connection)
    finally:
        engine.dispose()
