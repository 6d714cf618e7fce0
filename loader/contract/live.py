"""The contract of a running server: read again when a source file changes.

A contract that can't be honoured, or that the database has not been migrated to, is not taken
up: the one in force stays, and ``notice`` says what to do.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import yaml
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from loader.contract.faults import ContractError
from loader.contract.manifest import project_files
from loader.contract.model import Contract
from loader.contract.read import read_contract
from loader.migrate import migrate
from loader.remedy import Remedy
from loader.settings import Settings

_LOOK_EVERY_SECONDS = 2.0


class LiveContract:
    """Holds the contract in force; safe to ask from several threads."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        """Raises :class:`ContractError` or :class:`Remedy` when there is none to start with."""
        self._settings, self._engine = settings, engine
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._looked = time.monotonic()
        self.notice: str | None = None
        self._waits_for_migration = False
        self._contract = self._read()

    def current(self, to_judge: bool = False) -> Contract:
        """The contract in force now.

        Whoever asks first after a change waits while dbt parses. Others get the one in force,
        but for those who ask ``to_judge`` rows by it: a verdict is never given by a contract
        that is known to be old.
        """
        is_due = to_judge or time.monotonic() - self._looked > _LOOK_EVERY_SECONDS
        if is_due and self._lock.acquire(blocking=to_judge):
            try:
                self._looked = time.monotonic()
                stamp = self._look()
                if stamp != self._stamp or self._waits_for_migration:
                    self._stamp = stamp
                    self._take_up()
            finally:
                self._lock.release()
        return self._contract

    def _take_up(self) -> None:
        try:
            self._contract = self._read()
            self.notice, self._waits_for_migration = None, False
        except ContractError as error:
            self._waits_for_migration = False
            self.notice = f"The source files changed, and the contract in force stays: {error.faults[0]}"
        except (Remedy, OperationalError) as error:
            self._waits_for_migration = True
            self.notice = f"The source files changed, and the contract in force stays: {error}"

    def _read(self) -> Contract:
        contract = read_contract(self._settings.project_dir, self._settings.state_dir)
        plan = migrate(self._engine, contract, plan_only=True)
        if plan.refusals:
            raise ContractError(list(plan.refusals))
        if plan.concerns_rows:
            raise Remedy("The database is not what the contract says.", "Run `loader migrate`.")
        return contract

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        """What a change of any file that makes the contract would change; cheap to ask."""
        folder: Path = self._settings.project_dir
        try:
            project = yaml.safe_load((folder / "dbt_project.yml").read_text("utf-8-sig")) or {}
        except (OSError, ValueError, yaml.YAMLError):
            project = {}
        found = []
        for path in project_files(folder, project if isinstance(project, dict) else {}):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            found.append((str(path), status.st_mtime_ns, status.st_size))
        return tuple(found)
