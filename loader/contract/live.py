"""The contract of a running server: read again when a source file changes.

A contract that can't be honoured, or that the database has not been migrated to, is not taken
up: the one in force stays, and ``notice`` says what to do. A process that starts then, or while
the database is away, goes on with the one that was taken up last.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import yaml
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from loader.contract.faults import ContractError
from loader.contract.in_force import last_kept, take_up
from loader.contract.manifest import project_files
from loader.contract.model import Contract
from loader.remedy import Remedy
from loader.settings import Settings

_LOOK_EVERY_SECONDS = 2.0
#: Who asks to judge has the files looked at, but not those who come this soon after another.
_LOOK_TO_JUDGE_SECONDS = 0.1

_log = logging.getLogger(__name__)


class NoContract(Exception):
    """None is in force yet; says why."""


class LiveContract:
    """Holds the contract in force; safe to ask from several threads."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        """Never raises: a worker that can't start would take the whole server with it."""
        self._settings, self._engine = settings, engine
        self._lock = threading.Lock()
        self._contract: Contract | None = None
        self.notice: str | None = None
        self._is_open = True
        self._project: tuple[str, dict[str, Any]] = ("", {})
        self._stamp = self._look()
        self._looked = time.monotonic()
        self._take_up()
        if self._contract is None:
            self._contract = last_kept(settings.state_dir)
            _log.warning("%s", self.notice)

    @property
    def is_there(self) -> bool:
        """Whether there is one to serve by; asks for it if there is not."""
        try:
            self.current()
        except NoContract:
            return False
        return True

    def current(self, to_judge: bool = False) -> Contract:
        """The contract in force now; raises :class:`NoContract` while there is none.

        Whoever asks first after a change waits while dbt parses. Others get the one in force,
        but for those who ask ``to_judge`` rows by it: a verdict is never given by a contract
        that is known to be old, and what was changed is known a tenth of a second later.
        """
        patience = _LOOK_TO_JUDGE_SECONDS if to_judge else _LOOK_EVERY_SECONDS
        asked = time.monotonic()
        is_due = self._contract is None or asked - self._looked > patience
        if is_due and self._lock.acquire(blocking=to_judge):
            try:
                if self._looked <= asked:  # nobody has looked since
                    stamp = self._look()
                    if stamp != self._stamp or self._is_open:
                        self._stamp = stamp
                        self._take_up()
                    self._looked = time.monotonic()
            finally:
                self._lock.release()
        if self._contract is None:
            raise NoContract(self.notice or "The contract is being read.")
        return self._contract

    def _take_up(self) -> None:
        """Takes the files' contract up, or says in ``notice`` why not.

        ``_is_open`` then says that it can be otherwise the next time with the same files.
        """
        try:
            self._contract = take_up(self._settings, self._engine)
            self.notice, self._is_open = None, False
        except ContractError as error:
            self._is_open = False
            self.notice = f"The source files changed, and the contract in force stays: {error.faults[0]}"
        except Remedy as error:
            self._is_open = True
            self.notice = f"The source files changed, and the contract in force stays: {error}"
        except SQLAlchemyError as error:
            self._is_open = True
            said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            self.notice = f"The database did not answer, and the contract in force stays: {said}"
        except Exception as error:
            # nothing that may be wrong with files on a disk is worth a server that ends
            _log.exception("the source files could not be read")
            self._is_open = True
            self.notice = f"The source files can't be read, and the contract in force stays: {error}"

    def _read_project(self) -> dict[str, Any]:
        """What ``dbt_project.yml`` says; read again when its text has changed."""
        try:
            text = (self._settings.project_dir / "dbt_project.yml").read_text("utf-8-sig")
        except (OSError, ValueError):
            return {}
        if text != self._project[0]:
            try:
                project = yaml.safe_load(text)
            except (ValueError, yaml.YAMLError):
                project = None
            self._project = (text, project if isinstance(project, dict) else {})
        return self._project[1]

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        """What a change of any file that makes the contract would change; cheap to ask."""
        found = []
        for path in project_files(self._settings.project_dir, self._read_project()):
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((str(path), status.st_mtime_ns, status.st_size))
        return tuple(found)
