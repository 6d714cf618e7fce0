"""dbt's own manifest of a project, kept until a file that it is made from changes.

dbt resolves what the source files say (defaults, severity, ``where``, ``enabled``, both
spellings of renamed keys), so the loader does not have to. Its parser takes seconds; the
part that the contract needs is therefore kept under the state directory, by a hash of the
files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from loader.contract.faults import ContractError, Fault

#: Bumped when the kept part changes its shape.
SHAPE = 3
#: In dbt's words when it is the profile that fails, not the project.
_PROFILE_FAILED = ("profile", "Could not find adapter type", "Env var required but not provided")
_PARSED_SUFFIXES = {".yml", ".yaml", ".sql"}
#: The schema that a mart is built in, before it is published to `mart_<department>`.
_MART_BUILD = re.compile(r"mart_(.+)__build")


def project_files(project_dir: Path, project: dict[str, Any]) -> list[Path]:
    """Every path that decides what the sources and the rule macros say, sorted; one may be no file."""
    folders = [
        folder
        for key, default in (("model-paths", "models"), ("macro-paths", "macros"), ("test-paths", "tests"))
        for folder in project.get(key) or [default]
    ]
    folders.append(str(project.get("packages-install-path") or "dbt_packages"))
    found = {
        path for folder in folders for path in (project_dir / folder).rglob("*") if path.suffix in _PARSED_SUFFIXES
    }
    return sorted({project_dir / "dbt_project.yml", *found})


def _wanted(path: Path, model_folders: tuple[Path, ...]) -> bool:
    """Models' SQL does not change the contract; everything else listed does."""
    return not (path.suffix == ".sql" and any(path.is_relative_to(f) for f in model_folders))


def fingerprint(project_dir: Path, project: dict[str, Any]) -> str:
    """A hash of the files that the contract is made from."""
    folders = tuple(project_dir / f for f in (project.get("model-paths") or ["models"]))
    digest = hashlib.sha256(f"shape {SHAPE}\n".encode())
    for path in project_files(project_dir, project):
        if _wanted(path, folders) and path.is_file():
            digest.update(os.path.relpath(path, project_dir).encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def kept_manifest(state_dir: Path, mark: str) -> Path:
    """Where the manifest of the files with this fingerprint is kept."""
    return state_dir / "contract" / f"{mark}.json"


def read_manifest(
    project_dir: Path, state_dir: Path, project: dict[str, Any], say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """The part of dbt's manifest that the contract needs: sources, tests on them, rule macros, departments.

    ``say`` hears it when dbt has to parse the project. Raises :class:`ContractError` with
    dbt's own words when it can't.
    """
    mark = fingerprint(project_dir, project)
    kept = kept_manifest(state_dir, mark)
    if kept.exists():
        try:
            standing: dict[str, Any] = json.loads(kept.read_text("utf-8"))
            return standing
        except ValueError:
            pass  # a file cut short by a crash: made again below
    is_first = not any(kept.parent.glob("*.json"))
    say("reading the contract: " + ("for the first time" if is_first else "the source files changed"))
    manifest = _reduce(_parse(project_dir, project)) | {"fingerprint": mark}
    kept.parent.mkdir(parents=True, exist_ok=True)
    for old in sorted(kept.parent.glob("*.json"), key=lambda p: p.stat().st_mtime)[:-8]:
        old.unlink(missing_ok=True)
    made = kept.with_name(f"{kept.name}.{os.getpid()}.part")
    try:
        made.write_text(json.dumps(manifest), "utf-8")
        made.replace(kept)
    finally:
        made.unlink(missing_ok=True)
    return manifest


def whole_manifest(project_dir: Path) -> dict[str, Any]:
    """dbt's manifest of the project, all of it, made anew. Raises :class:`ContractError` as `read_manifest` does."""
    project = yaml.safe_load((project_dir / "dbt_project.yml").read_text("utf-8-sig"))
    return _parse(project_dir, project if isinstance(project, dict) else {})


def _parse(project_dir: Path, project: dict[str, Any]) -> dict[str, Any]:
    """dbt's manifest, by the project's own profile; where that can't be had, by a stand-in.

    What the sources say seldom depends on a profile, and reading them needs no database: a
    missing adapter or a variable that is not set need not stand in the way.
    """
    own = [str(project_dir)] if (project_dir / "profiles.yml").exists() else []
    manifest, said = _run_parser(project_dir, own)
    if manifest is None and any(sign in said for sign in _PROFILE_FAILED):
        with tempfile.TemporaryDirectory(prefix="gatehouse-profile-") as scratch:
            (Path(scratch) / "profiles.yml").write_text(_stand_in(str(project.get("profile") or "default")), "utf-8")
            manifest, said_then = _run_parser(project_dir, [scratch])
            if manifest is None and not any(sign in said_then for sign in _PROFILE_FAILED):
                said = said_then
    if manifest is None:
        raise ContractError(
            [
                Fault(
                    problem=f"dbt can't parse the project: {_error_lines(said)}",
                    remedy="run `dbt parse` in the project's folder and mend what it names",
                )
            ]
        )
    return manifest


def _stand_in(profile: str) -> str:
    """A profile of that name, for a server that nobody will ask."""
    output = {"type": "postgres", "host": "127.0.0.1", "port": 1, "user": "nobody", "password": "", "dbname": "none"}
    made = {profile: {"target": "default", "outputs": {"default": output | {"schema": "public"}}}}
    return json.dumps(made)  # which is YAML too


def _run_parser(project_dir: Path, profiles: list[str]) -> tuple[dict[str, Any] | None, str]:
    """The manifest, or None and what dbt said; writes nothing beside the project."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-contract-") as scratch:
        command = [
            *(sys.executable, "-c", "from dbt.cli.main import cli; cli()"),
            *("--no-use-colors", "--no-send-anonymous-usage-stats", "--log-path", scratch),
            *("parse", "--project-dir", str(project_dir), "--target-path", scratch, "--no-partial-parse"),
        ]
        if profiles:
            command += ["--profiles-dir", *profiles]
        run = subprocess.run(command, cwd=project_dir, capture_output=True, text=True, check=False, timeout=600)
        made = Path(scratch) / "manifest.json"
        if run.returncode != 0 or not made.exists():
            return None, run.stdout + run.stderr
        manifest: dict[str, Any] = json.loads(made.read_text("utf-8"))
        return manifest, ""


def _error_lines(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    start = next((i for i, line in enumerate(lines) if "Error" in line), 0)
    return " ".join(line.split("  ", 1)[-1] for line in lines[start : start + 12])


def _reduce(manifest: dict[str, Any]) -> dict[str, Any]:
    """Keep what the contract reads: the whole manifest is megabytes."""
    rules = {
        node["name"]: node["macro_sql"]
        for node in manifest["macros"].values()
        if node["name"].startswith(("rule_", "sql_"))
    }
    tests = [
        {key: node.get(key) for key in ("unique_id", "test_metadata", "config", "column_name")}
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and node.get("sources")
    ]
    sources = [
        {
            key: node.get(key)
            for key in (
                "source_name",
                "name",
                "schema",
                "identifier",
                "loader",
                "description",
                "columns",
                "meta",
                "config",
                "freshness",
                "original_file_path",
            )
        }
        for node in manifest["sources"].values()
    ]
    schemas = {node["schema"] for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    return {
        "project": manifest["metadata"].get("project_name"),
        "departments": sorted(found[1] for schema in schemas if (found := _MART_BUILD.fullmatch(schema))),
        "sources": sources,
        "tests": tests,
        "rules": rules,
    }
