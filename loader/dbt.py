"""Runs dbt on the project, in a process of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import yaml

from loader.remedy import Remedy
from loader.settings import PROJECT_FILE, Settings

#: `run_dbt` without its settings, or another way to have dbt do the same.
Run = Callable[..., None]

LAST_LINES = 40
# dbt's settings `<kind>-paths`, and the folder that it looks in when one is not set
_FOLDERS = {
    "model": "models",
    "macro": "macros",
    "test": "tests",
    "seed": "seeds",
    "snapshot": "snapshots",
    "function": "functions",
}


def dbt_command() -> list[str]:
    """dbt of the environment that the loader runs in. Raises Remedy if it has none."""
    beside = Path(sys.executable).with_name("dbt")
    if not beside.is_file():
        raise Remedy(f"There is no dbt beside {sys.executable}.", "Install it with `make env`.")
    return [str(beside)]


def run_dbt(settings: Settings, *arguments: str, line: Callable[[str], None] = lambda _: None) -> None:
    """Runs `dbt ARGUMENTS…` in the project's folder against `settings`' database.
    `line` gets each line of its output as it comes.

    Raises Remedy with dbt's last lines when it ends with any other status than 0.
    """
    command = [*dbt_command(), "--no-use-colors", *arguments]
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        command,
        cwd=settings.project_dir,
        env=dbt_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for text in process.stdout:
                last.append(text.rstrip())
                line(text.rstrip())
        except BaseException:
            process.terminate()  # also on Ctrl-C: dbt then cancels its queries
            raise
    status = process.returncode
    if status:
        raise failure_of(settings, arguments[0], status, last)


def failure_of(settings: Settings, command: str, status: int, last: Iterable[str]) -> Remedy:
    """What is said of a dbt that ended badly: its last lines, and where there is more."""
    said = "\n".join(f"  {text}" for text in last)
    logs = _folders(settings).get("DBT_LOG_PATH") or settings.project_dir / "logs"
    remedy = f"Its log is {Path(logs) / 'dbt.log'}."
    if "full_refresh: True" in said:
        remedy = "An incremental model has other columns now: `loader build --full-refresh` makes it anew."
    return Remedy(f"dbt {command} ended with status {status}. Its last lines:\n{said}", f"\n{remedy}")


def dbt_environment(settings: Settings) -> dict[str, str]:
    """What dbt runs with: the database of `settings`, and where it may write. A query of a dbt that
    was killed ends soon: by itself the server would hear of it when it has an answer."""
    options = f"{os.environ.get('PGOPTIONS', '')} -c client_connection_check_interval=5s".strip()
    return dict(os.environ) | settings.environment() | _folders(settings) | {"PGOPTIONS": options}


def _folders(settings: Settings) -> dict[str, str]:
    """Where dbt writes: beside the project, as always, unless it may not."""
    if settings.is_project_writable:
        return {}
    return {
        "DBT_TARGET_PATH": str(settings.dbt_target),
        "DBT_LOG_PATH": str(settings.state_dir / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",  # it would write a cookie beside the profile
    }


def project_fingerprint(project_dir: Path) -> str:
    """Changes whenever a file that dbt reads of the project does. Raises Remedy where they
    can't be read, as for the moment in which one is saved."""
    digest = hashlib.sha256()
    try:
        for path in sorted(_project_files(project_dir)):
            digest.update(f"{os.path.relpath(path, project_dir)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Remedy(f"The project in {project_dir} can't be read: {error}.", "Mend it or save it whole.") from error
    return digest.hexdigest()


def _project_files(project_dir: Path) -> Iterator[Path]:
    """The YAML files at the root, and all in the folders that dbt_project.yml names."""
    project = yaml.safe_load((project_dir / PROJECT_FILE).read_text("utf-8-sig")) or {}
    if not isinstance(project, dict):
        raise ValueError(f"{PROJECT_FILE} holds no settings")
    named = {folder for kind, default in _FOLDERS.items() for folder in project.get(f"{kind}-paths") or [default]}
    yield from (path for path in project_dir.iterdir() if path.suffix in (".yml", ".yaml"))
    for folder in named:
        yield from (path for path in (project_dir / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
