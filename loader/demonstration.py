"""Loads the demonstration shop by the door that every file takes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from loader.contract.model import Contract
from loader.intake.load import KeyReused, LoadFailed, StillRunning, load_file
from loader.intake.receipt import Receipt
from loader.remedy import Remedy
from loader.settings import Settings
from loader.steps import Step

PRINCIPAL = "demonstration"
PROMOTIONS = {"sample": "four-weeks", "full": "full"}


def load_shop(settings: Settings, engine: sa.Engine, contract: Contract, data: str, scale: float, step: Step) -> str:
    """Makes the shop's files (once) and loads those that are not loaded yet; `data` is
    a key of `PROMOTIONS`. Returns what was loaded, in words.

    Raises Remedy if the database holds the shop at another scale, and if a file can't
    be loaded.
    """
    folder = settings.state_dir / "shop" / f"scale-{scale:g}-{data}"

    def report(what: str, done: int, total: int | None) -> None:
        step.progress(f"making {what}", done, total)

    loads = _generator().make(folder, scale=scale, promotions=PROMOTIONS[data], report=report)
    standing = _standing_keys(engine)
    _require_same_shop(standing, loads)
    received: list[Receipt] = []
    for load in loads:
        if load.key in standing:
            continue
        received.append(_load(engine, contract, folder, load, step))
        if received[-1].rejected or received[-1].waiting:
            step.say(f"{load.table}: {_words([received[-1]])}")
    return _words(received) if received else "all of it is loaded already"


def _generator() -> Any:
    """The package examples.shop: part of the repository, and of no importance to the loader."""
    try:
        return importlib.import_module("examples.shop")
    except ModuleNotFoundError as error:
        raise Remedy(
            f"The demonstration shop can't be made: {error}.", "Run `make env`, or do without it: make up DATA=none."
        ) from error


def _load(engine: sa.Engine, contract: Contract, folder: Path, load: Any, step: Step) -> Receipt:
    source, name = load.table.split(".")
    table = contract.tables.get((source, name))
    if table is None:
        raise Remedy(
            f"The shop has {load.rows:,} rows for {load.table}, and the contract has no such table.",
            "The shop fits the contract that came with it; without the shop: make up DATA=none.",
        )
    try:
        return load_file(
            engine,
            contract,
            table,
            folder / load.file,
            principal=PRINCIPAL,
            idempotency_key=load.key,
            progress=lambda rows: step.progress(f"loading {load.table}", rows, load.rows, "rows"),
        )
    except (LoadFailed, KeyReused, StillRunning, OSError) as error:
        raise Remedy(
            f"{load.file} was not loaded into {load.table}: {error}.", "What came before it stands."
        ) from error


def _standing_keys(engine: sa.Engine) -> set[str]:
    query = """
        select idempotency_key from ledger.loads
        where principal = :principal and idempotency_key is not null and status = 'succeeded'
    """
    with engine.connect() as connection:
        return set(connection.scalars(sa.text(query), {"principal": PRINCIPAL}))


def _require_same_shop(standing: set[str], loads: list[Any]) -> None:
    """Two shops in one database would be neither: rows of the one replace the other's."""
    wanted = {_shop(load.key) for load in loads}
    others = sorted({_shop(key) for key in standing} - wanted)
    if others:
        raise Remedy(
            f"The database holds another shop already: {others[0]} and not {min(wanted)}.",
            "Remove it with `make clean`, or set PGDATABASE to another database.",
        )


def _shop(key: str) -> str:
    """A load's key begins with what the shop was made from; more or fewer weeks of
    promotions are the same shop."""
    return key.partition("-promotions-")[0]


def _words(receipts: list[Receipt]) -> str:
    counts = {
        name: sum(getattr(receipt, name) for receipt in receipts)
        for name in ("received", "accepted", "waiting", "rejected", "duplicates")
    }
    first, *others = (
        f"{count:,} {name}" for name, count in counts.items() if count or name in ("received", "accepted")
    )
    return f"{first}: {', '.join(others)}"
