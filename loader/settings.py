"""Where the database and the project are, read from the environment.

The database is named by libpq's own variables, so that the loader, dbt, psql
and BI tools all read the same five. Unset, they mean the embedded server, at the
port at which it was started last.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loader.remedy import Remedy

LOOPBACK = "127.0.0.1"
EMBEDDED_PORT = 5433
EMBEDDED_NAME = "gatehouse"  # database, user and password of the embedded server alike
PROJECT_FILE = "dbt_project.yml"
STATE_FOLDER = ".gatehouse"
DATA_FOLDER = "postgres"  # of the embedded server, in the state folder


@dataclass(frozen=True)
class Settings:
    """One database and one dbt project; see `from_environment` for the defaults.

    `password` is None where libpq is to find it itself (`~/.pgpass`, PGPASSFILE).
    `host_is_given` says that PGHOST names the server, so that nobody starts an
    embedded one in its place.
    """

    project_dir: Path
    state_dir: Path
    host: str = LOOPBACK
    port: int = EMBEDDED_PORT
    user: str = EMBEDDED_NAME
    password: str | None = EMBEDDED_NAME
    database: str = EMBEDDED_NAME
    host_is_given: bool = False

    @classmethod
    def from_environment(
        cls,
        project_dir: Path | str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Settings:
        """Settings from PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE,
        LOADER_PROJECT_DIR and LOADER_STATE_DIR; an empty variable counts as unset,
        as it does for libpq.

        `project_dir` (the option `--project-dir`) wins over LOADER_PROJECT_DIR.
        The state folder is the project's `.gatehouse`, or, where this user may not
        write to the project, one for it under XDG_STATE_HOME (else ~/.local/state).

        While PGHOST is unset the port defaults to the one at which the state
        folder's embedded server was started last; else to 5433 on this machine and to
        PostgreSQL's own 5432 elsewhere. The password defaults to the embedded server's
        only while PGHOST is unset.

        Raises Remedy when no project is found or PGPORT is no port.
        """
        given = os.environ if environment is None else environment
        project = find_project(project_dir or given.get("LOADER_PROJECT_DIR") or None)
        state = given.get("LOADER_STATE_DIR")
        state_dir = Path(state).absolute() if state else _state_folder(project, given)
        host = given.get("PGHOST")
        usual_port = EMBEDDED_PORT if not host or host in (LOOPBACK, "localhost") else 5432
        if not host:
            usual_port = last_port(state_dir) or usual_port
        return cls(
            project_dir=project,
            state_dir=state_dir,
            host=host or LOOPBACK,
            port=_port(given.get("PGPORT"), usual_port),
            user=given.get("PGUSER") or EMBEDDED_NAME,
            password=given.get("PGPASSWORD") or (None if host else EMBEDDED_NAME),
            database=given.get("PGDATABASE") or EMBEDDED_NAME,
            host_is_given=bool(host),
        )

    def environment(self) -> dict[str, str]:
        """The libpq variables that name this database, for dbt, psql and others."""
        variables = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.database,
        }
        if self.password is not None:
            variables["PGPASSWORD"] = self.password
        return variables

    @property
    def is_project_writable(self) -> bool:
        """Whether dbt may write its target and logs beside the project."""
        return os.access(self.project_dir, os.W_OK)

    @property
    def dbt_target(self) -> Path:
        """The folder that dbt writes what it made into."""
        return (self.project_dir if self.is_project_writable else self.state_dir) / "target"

    @property
    def where(self) -> str:
        """The database in words for a message; never the password."""
        return f"database {self.database} at {self.host}:{self.port}"


def find_project(start: Path | str | None = None) -> Path:
    """The folder that holds dbt_project.yml: `start` itself when it is given, else
    the working directory or the nearest folder above it. Raises Remedy if none does."""
    if start is not None:
        folder = Path(start).absolute()
        if not (folder / PROJECT_FILE).is_file():
            raise Remedy(
                f"{folder} holds no {PROJECT_FILE}.",
                "Name the folder of a dbt project with --project-dir or LOADER_PROJECT_DIR.",
            )
        return folder
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise Remedy(
        f"There is no {PROJECT_FILE} in {here} or in a folder above it.",
        "Change to the folder of a dbt project, or name it with --project-dir or LOADER_PROJECT_DIR.",
    )


def _state_folder(project: Path, given: Mapping[str, str]) -> Path:
    beside = project / STATE_FOLDER
    if os.access(beside if beside.is_dir() else project, os.W_OK):
        return beside
    home = given.get("XDG_STATE_HOME")
    states = Path(home) if home else Path.home() / ".local" / "state"
    mark = hashlib.sha256(os.fsencode(project.resolve())).hexdigest()[:12]
    return states / "gatehouse" / f"{project.name}-{mark}"


def port_file(state_dir: Path) -> Path:
    """Where the embedded server's port is noted when it starts."""
    return state_dir / "postgres.port"


def last_port(state_dir: Path) -> int | None:
    """The port at which the embedded server of this state folder was started last; None if
    it never was, or where that can't be told."""
    with suppress(OSError, ValueError):
        return int(port_file(state_dir).read_text("ascii"))
    with suppress(OSError, ValueError, IndexError):  # started before ports were noted
        return int((state_dir / DATA_FOLDER / "postmaster.pid").read_text().splitlines()[3])
    return None


def _port(text: str | None, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise Remedy(f"PGPORT is '{text}', which is no port.", "Set it to a number from 1 to 65535.")
    return int(text)
