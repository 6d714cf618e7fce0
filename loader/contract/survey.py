"""What the doors would make of every source table of a dbt project, whoever loads it now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loader.contract.check import check_contract, proposed_key
from loader.contract.faults import Fault
from loader.contract.model import Table
from loader.contract.read import LOADER, contract_of, read_sources, without_moving_parents


@dataclass(frozen=True)
class Surveyed:
    """A source table: what the doors enforce of it, or would, and what stands in the way.

    ``loader`` is what its file says of who loads it, empty if nothing. Of a table that
    Gatehouse does not load, ``faults`` are those that it would have if all sources were loaded.
    """

    table: Table
    loader: str
    faults: tuple[Fault, ...]

    @property
    def is_loaded(self) -> bool:
        return self.loader == LOADER

    @property
    def parents_to_load(self) -> tuple[str, ...]:
        """The tables that its rows refer to, itself left out."""
        parents = (".".join(rule.parent) for rule in self.table.relationships)
        return tuple(dict.fromkeys(parent for parent in parents if parent != self.table.id))

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``: everything, also what is fine."""
        table = self.table
        return {
            "table": table.id,
            "loader": self.loader or None,
            "loaded": self.is_loaded,
            "honoured": not self.faults,
            "file": table.path,
            "line": table.line,
            "columns": [
                {"name": c.name, "data_type": c.type.sql, "required": c.required, "line": c.line} for c in table.columns
            ],
            "primary_key": list(table.primary_key),
            "proposed_primary_key": [] if table.primary_key else list(proposed_key(table)),
            "load": table.load,
            "row_rules": [
                {"test": r.name, "columns": list(r.columns), "message": r.message, "severity": r.severity}
                for r in table.row_rules
            ],
            "unique": [{"columns": list(r.columns), "severity": r.severity} for r in table.unique_rules],
            "relationships": [
                {
                    "columns": list(r.columns),
                    "parent": ".".join(r.parent),
                    "parent_columns": list(r.parent_columns),
                    "severity": r.severity,
                }
                for r in table.relationships
            ],
            "dbt_only": [{"test": u.name, "columns": list(u.columns), "reason": u.reason} for u in table.unchecked],
            "faults": [
                {
                    "problem": f.problem,
                    "remedy": f.remedy,
                    "file": f.path,
                    "line": f.line,
                    "column": f.column or None,
                }
                for f in self.faults
            ],
        }


@dataclass(frozen=True)
class Survey:
    """Every source table of a project, by name."""

    project: str
    tables: tuple[Surveyed, ...]

    @property
    def honoured(self) -> bool:
        """Whether every table that says that Gatehouse loads it can be loaded."""
        return not any(one.faults for one in self.tables if one.is_loaded)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "project": self.project,
            "honoured": self.honoured,
            "tables": [one.as_dict() for one in self.tables],
        }


def survey(project_dir: Path, state_dir: Path) -> Survey:
    """Every source table of the project. Asks dbt's parser, and no database.

    Raises :class:`~loader.contract.faults.ContractError` when the project can't be read.
    """
    read = read_sources(project_dir, state_dir)
    loaded = contract_of(read, (source for source in read.sources if source.loader == LOADER))
    every = contract_of(read, read.sources)
    now, then = check_contract(loaded), check_contract(every)
    loaded, every = without_moving_parents(loaded), without_moving_parents(every)
    found = []
    for source in read.sources:
        key = (source.table.source, source.table.name)
        is_loaded = source.loader == LOADER
        faults = [*source.faults, *_of(source.table, now if is_loaded else then)]
        table = (loaded if is_loaded else every).tables[key]
        found.append(Surveyed(table, source.loader, tuple(faults)))
    return Survey(read.project, tuple(sorted(found, key=lambda one: one.table.id)))


def _of(table: Table, faults: list[Fault]) -> Iterator[Fault]:
    return (fault for fault in faults if fault.table == table.id)
