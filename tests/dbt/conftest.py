"""What the tests of the dbt project share: dbt's own manifest of it, and its rule
macros as the doors see them, rendered by plain Jinja with no dbt around."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = ("rule_", "sql_")
Rule = Callable[..., str]


def run_dbt(*arguments: str, folder: Path, scratch: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """dbt in a process of its own, in `folder`, leaving its files in `scratch`."""
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("dbt")),
            "--no-use-colors",
            "--log-path",
            str(scratch / "logs"),
            *arguments,
            "--target-path",
            str(scratch / "target"),
        ],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def parse(folder: Path, scratch: Path) -> tuple[str, dict[str, Any]]:
    """What `dbt parse` said of the project in `folder`, and the manifest that it wrote."""
    ran = run_dbt("parse", "--no-partial-parse", folder=folder, scratch=scratch)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout, json.loads((scratch / "target" / "manifest.json").read_text())


@pytest.fixture(scope="session")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    return parse(ROOT, tmp_path_factory.mktemp("dbt"))


@pytest.fixture(scope="session")
def manifest(parsed: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return parsed[1]


@pytest.fixture(scope="session")
def render(manifest: dict[str, Any]) -> Rule:
    """`render(name, *args, **kwargs)`: the text of one of the project's pure macros."""
    texts = [
        macro["macro_sql"]
        for macro in manifest["macros"].values()
        if macro["package_name"] == "gatehouse" and macro["name"].startswith(PURE)
    ]
    module = jinja2.Environment().from_string("\n".join(texts)).module

    def call(name: str, *args: Any, **kwargs: Any) -> str:
        return str(getattr(module, name)(*args, **kwargs))

    return call
