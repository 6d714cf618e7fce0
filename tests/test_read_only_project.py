"""Every command on a project that nobody may write to, from another folder."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loader.settings import Settings
from tests.conftest import ROOT

PROJECT = ROOT / "examples" / "another_project"
COMMANDS = (
    "contract check",
    "contract draft catalogue.books --from-file {data}/books.ndjson",
    "contract diagram --output -",
    "migrate",
    "load catalogue.copies {data}/copies.csv --dry-run",
    "build",
    "loads",
)


def _can_mount() -> bool:
    tool = shutil.which("unshare")
    return tool is not None and subprocess.run([tool, "-m", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="a read-only file system can't be made here")
def test_a_read_only_project_needs_nothing_written_beside_it(empty_settings: Settings, tmp_path: Path) -> None:
    project, elsewhere, home = tmp_path / "library", tmp_path / "elsewhere", tmp_path / "home"
    for folder in (elsewhere, home):
        folder.mkdir()
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(".gatehouse", "target", "logs"))
    before = sorted(project.rglob("*"))
    loader = shlex.quote(str(Path(sys.executable).with_name("loader")))
    runs = [f"{loader} --project-dir {project} {command.format(data=project / 'data')}" for command in COMMANDS]
    runs[4] += " || [ $? = 3 ]"  # its books have not come
    script = ["mount --bind $0 $0", "mount -o remount,ro,bind $0", "! touch $0/x", *runs]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LOADER_", "DBT_", "XDG_"))}
    run = subprocess.run(
        ["unshare", "-m", "sh", "-exc", "\n".join(script), str(project)],
        cwd=elsewhere, env=environment | empty_settings.environment() | {"HOME": str(home)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert sorted(project.rglob("*")) == before
    assert list(elsewhere.iterdir()) == []
    (state,) = (home / ".local" / "state" / "gatehouse").iterdir()
    assert {"contract", "target", "logs", "built.json"} >= {path.name for path in state.iterdir()}
    assert (state / "target" / "manifest.json").exists()
