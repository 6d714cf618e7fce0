"""Read a dbt project's source files into the :class:`~loader.contract.model.Contract`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from loader.contract.check import check_contract
from loader.contract.faults import ContractError, Fault
from loader.contract.manifest import read_manifest
from loader.contract.model import (
    DOORS,
    Column,
    Contract,
    Freshness,
    Relationship,
    RowRule,
    Table,
    UncheckedTest,
    UniqueRule,
)
from loader.contract.places import Places, find_places
from loader.contract.rules import RuleFault, RuleMacros, make_rule, not_null, tested_table
from loader.contract.types import DataType, UnknownType, parse_type

LOADER = "gatehouse"
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}


def read_contract(project_dir: Path, state_dir: Path, *, say: Callable[[str], None] = lambda _: None) -> Contract:
    """The contract of the dbt project at ``project_dir``.

    The manifest is kept under ``state_dir``; ``say`` hears that dbt has to make it anew, which
    takes seconds. Raises :class:`ContractError` with every fault found: file, line, table,
    column and remedy.
    """
    return honoured(read_sources(project_dir, state_dir, say))


def honoured(read: Sources) -> Contract:
    """The contract that the sources for the loader make; raises :class:`ContractError`."""
    loaded = [source for source in read.sources if source.loader == LOADER]
    contract = contract_of(read, loaded)
    faults = [*(fault for source in loaded for fault in source.faults), *check_contract(contract)]
    if faults:
        raise ContractError(faults)
    return without_moving_parents(contract)


@dataclass(frozen=True)
class Source:
    """A source table as its file describes it, whoever loads it (``loader``, empty if unsaid)."""

    table: Table
    loader: str
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Sources:
    """Every source table of a project."""

    project: str
    fingerprint: str
    sources: tuple[Source, ...]
    departments: tuple[str, ...] = ()


def read_sources(project_dir: Path, state_dir: Path, say: Callable[[str], None] = lambda _: None) -> Sources:
    """Every source table of the dbt project, each with what keeps it from being read whole.

    Raises :class:`ContractError` where the project itself can't be read.
    """
    project = _read_project(project_dir)
    places = find_places(project_dir, project)
    if places.faults:
        raise ContractError(places.faults)
    return sources_of(read_manifest(project_dir, state_dir, project, say), places)


def sources_of(manifest: dict[str, Any], places: Places) -> Sources:
    """The source tables of a manifest as ``read_manifest`` gives it; see :func:`read_sources`."""
    try:
        macros = RuleMacros(manifest["rules"])
    except RuleFault as error:
        raise ContractError([Fault(str(error), "mend the macro")]) from error
    tests: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for test in manifest["tests"]:
        key = tested_table(test)
        if key:
            tests.setdefault(key, []).append(test)
    sources = []
    for source in manifest["sources"]:
        faults: list[Fault] = []
        table = _TableReader(source, places, faults).read(
            macros, tests.get((source["source_name"], source["name"]), [])
        )
        sources.append(Source(table, str(source.get("loader") or ""), tuple(faults)))
    departments = tuple(manifest.get("departments", ()))  # a contract in force may be of an older program
    return Sources(manifest["project"] or "", manifest["fingerprint"], tuple(sources), departments)


def contract_of(read: Sources, sources: Iterable[Source]) -> Contract:
    """The contract that these of its sources make; nothing is checked."""
    tables = {(source.table.source, source.table.name): source.table for source in sources}
    return Contract(read.project, tables, read.fingerprint, read.departments)


def without_moving_parents(contract: Contract) -> Contract:
    """Leave to dbt what the door can't hold: a parent's column outside its key may change.

    The rows that refer to it stand already, and would lose their parent without a new verdict.
    """
    tables = {key: _without_moving_parents(table, contract) for key, table in contract.tables.items()}
    return replace(contract, tables=tables)


def _read_project(project_dir: Path) -> dict[str, Any]:
    path = project_dir / "dbt_project.yml"
    try:
        project = yaml.safe_load(path.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise ContractError(
            [
                Fault(
                    f"there is no dbt_project.yml in {project_dir}",
                    "run from the dbt project's folder, or give --project-dir DIR",
                )
            ]
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ContractError(
            [
                Fault(
                    f"broken YAML: {getattr(error, 'problem', error)}",
                    "mend the indentation or quoting at this line",
                    "dbt_project.yml",
                    mark.line + 1 if mark else None,
                )
            ]
        ) from error
    return project if isinstance(project, dict) else {}


class _TableReader:
    """Turns one source of the manifest into a :class:`Table`, noting faults with their place."""

    def __init__(self, source: dict[str, Any], places: Places, faults: list[Fault]) -> None:
        self.source = source
        self.key = (str(source["source_name"]), str(source["name"]))
        self.places = places
        self.faults = faults
        self.meta = _meta(source)

    def read(self, macros: RuleMacros, tests: list[dict[str, Any]]) -> Table:
        columns = tuple(self._column(c) for c in self.source["columns"].values())
        primary_key = self._names("primary_key")
        valid_from = self.meta.get("valid_from")
        types = {column.name: column.type for column in columns}
        row_rules: list[RowRule] = []
        unique_rules: list[UniqueRule] = []
        relationships: list[Relationship] = []
        unchecked: list[UncheckedTest] = []
        for test in tests:
            try:
                rule = make_rule(test, macros, types)
            except RuleFault as error:
                self._fault(str(error), "mend the test's arguments", test.get("column_name"))
                continue
            match rule:
                case RowRule():
                    row_rules.append(rule)
                case UniqueRule():
                    unique_rules.append(rule)
                case Relationship():
                    relationships.append(rule)
                case UncheckedTest():
                    unchecked.append(rule)
        stated = {r.columns[0] for r in row_rules if r.name == "not_null" and _always(r)}
        constrained = [c.name for c in columns if (c.required or c.name in primary_key) and c.name not in stated]
        row_rules[:0] = [not_null(name) for name in constrained]
        required = stated | set(constrained)
        columns = tuple(_with_rules(c, required, row_rules) for c in columns)
        path, line = self.places.tables.get(self.key, (self.source["original_file_path"], None))
        return Table(
            source=self.key[0],
            name=self.key[1],
            schema=self.source["schema"],
            identifier=self.source.get("identifier") or self.key[1],
            columns=columns,
            primary_key=primary_key,
            load=self.meta.get("load", "versions"),
            valid_from=valid_from,
            doors=self._names("doors") if "doors" in self.meta else DOORS,
            label=str(self.meta.get("label") or _humanise(self.key[1])),
            description=str(self.source.get("description") or ""),
            freshness=_freshness(self.source),
            row_rules=tuple(row_rules),
            unique_rules=tuple(unique_rules),
            relationships=tuple(relationships),
            unchecked=tuple(unchecked),
            path=path,
            line=line,
        )

    def _column(self, column: dict[str, Any]) -> Column:
        name, meta = str(column["name"]), _meta(column)
        place = self.places.columns.get((*self.key, name))
        data_type = DataType("text", "text")
        if not column.get("data_type"):
            self._fault("the column has no data_type", "add `data_type:`", name)
        else:
            try:
                data_type = parse_type(str(column["data_type"]), meta.get("format"), meta.get("timezone"))
            except UnknownType as error:
                self._fault(str(error), "write one of the types the loader knows", name)
        constraints = column.get("constraints") or []
        return Column(
            name=name,
            type=data_type,
            required=any(c.get("type") == "not_null" for c in constraints),
            label=str(meta.get("label") or _humanise(name)),
            description=str(column.get("description") or ""),
            example=meta.get("example"),
            pii=meta.get("pii"),
            line=place[1] if place else None,
        )

    def _names(self, key: str) -> tuple[str, ...]:
        value = self.meta.get(key)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list):
            return tuple(str(item) for item in value)
        self._fault(f"config.meta.{key} is not a list of names", f"write `{key}: [name, …]`")
        return ()

    def _fault(self, problem: str, remedy: str, column: str | None = None) -> None:
        path, line = self.places.tables.get(self.key, (self.source["original_file_path"], None))
        if column:
            path, line = self.places.columns.get((*self.key, column), (path, line))
        self.faults.append(Fault(problem, remedy, path, line, ".".join(self.key), column or ""))


def _with_rules(column: Column, required: set[str], rules: list[RowRule]) -> Column:
    accepted = None
    for rule in rules:
        if rule.name == "accepted_values" and rule.columns == (column.name,) and _always(rule):
            accepted = rule.accepted
    return replace(column, required=column.name in required, accepted_values=accepted)


def _without_moving_parents(table: Table, contract: Contract) -> Table:
    kept: list[Relationship] = []
    unchecked = list(table.unchecked)
    for relationship in table.relationships:
        parent = contract.tables.get(relationship.parent)
        moves = (
            parent is not None
            and parent.load == "versions"
            and not set(relationship.parent_columns) <= set(parent.primary_key)
        )
        if moves:
            reason = "its parent's column is not part of the parent's key and may change"
            unchecked.append(UncheckedTest(relationship.name, relationship.columns, reason))
        else:
            kept.append(relationship)
    return replace(table, relationships=tuple(kept), unchecked=tuple(unchecked))


def _always(rule: RowRule) -> bool:
    return rule.severity == "error" and rule.where is None


def _meta(node: dict[str, Any]) -> dict[str, Any]:
    return {**(node.get("meta") or {}), **((node.get("config") or {}).get("meta") or {})}


def _freshness(source: dict[str, Any]) -> Freshness | None:
    stated = (source.get("config") or {}).get("freshness") or source.get("freshness") or {}

    def seconds(key: str) -> float | None:
        value = stated.get(key) or {}
        if not value.get("count") or not value.get("period"):
            return None
        return float(value["count"]) * _SECONDS[value["period"]]

    warn, error = seconds("warn_after"), seconds("error_after")
    return Freshness(warn, error) if warn or error else None


def _humanise(name: str) -> str:
    return name.replace("_", " ").strip().capitalize()
