"""The contract in force: the one of the files, once it is seen that the database is migrated to it.

It is kept in the state folder, so that a process that starts while the database is away, or
while somebody is at work on the source files, goes on with what was in force before.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Engine

from loader.contract.faults import ContractError
from loader.contract.manifest import SHAPE, kept_manifest
from loader.contract.model import Contract
from loader.contract.places import Places
from loader.contract.read import honoured, read_contract, sources_of
from loader.database import connection_faults, make_engine, require_version
from loader.migrate import migrate
from loader.remedy import Remedy
from loader.settings import Settings


def take_up(settings: Settings, engine: Engine) -> Contract:
    """The contract of the source files, if the database is what it says; kept from then on.

    Raises :class:`ContractError` if it can't be honoured, :class:`Remedy` if the database is
    not migrated to it, and what SQLAlchemy raises while the database does not answer.
    """
    contract = read_contract(settings.project_dir, settings.state_dir)
    plan = migrate(engine, contract, plan_only=True)
    if plan.refusals:
        raise ContractError(list(plan.refusals))
    if plan.concerns_rows:
        raise Remedy("The database is not what the contract says.", "Run `loader migrate`.")
    _keep(settings.state_dir, contract)
    return contract


def require_servable(settings: Settings) -> None:
    """Raises what a server can't start on: no database, an old one, no contract in force."""
    engine = make_engine(settings, poolclass=sa.NullPool)
    with connection_faults(settings):
        require_version(engine)
        take_up(settings, engine)


def last_kept(state_dir: Path) -> Contract | None:
    """The contract that was taken up last; ``None`` if there is none that this program can read."""
    try:
        kept = json.loads(_file(state_dir).read_text("utf-8"))
        if kept["shape"] != SHAPE:
            return None
        return honoured(sources_of(kept["manifest"], Places()))
    except (OSError, ValueError, KeyError, TypeError, ContractError):
        return None


def _keep(state_dir: Path, contract: Contract) -> None:
    """Whole or not at all, and only if it is another one: several processes do this at once.
    What can't be kept is in force all the same."""
    kept = _file(state_dir)
    try:
        if json.loads(kept.read_text("utf-8"))["manifest"]["fingerprint"] == contract.fingerprint:
            return
    except (OSError, ValueError, KeyError, TypeError):
        pass
    made = kept.with_name(f"{kept.name}.{os.getpid()}.part")
    try:
        manifest = json.loads(kept_manifest(state_dir, contract.fingerprint).read_text("utf-8"))
        made.write_text(json.dumps({"shape": SHAPE, "manifest": manifest}), "utf-8")
        made.replace(kept)
    except (OSError, ValueError) as error:
        logging.getLogger(__name__).warning("the contract in force was not kept: %s", error)
    finally:
        made.unlink(missing_ok=True)


def _file(state_dir: Path) -> Path:
    return state_dir / "contract_in_force.json"
