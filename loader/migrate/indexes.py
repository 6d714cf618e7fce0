"""The indexes of one relation: which are missing, and which of ours serve no rule any more."""

from __future__ import annotations

from dataclasses import dataclass, field

from loader.contract.faults import Fault
from loader.contract.model import Table
from loader.contract.types import identifier
from loader.migrate.catalog import Catalog, StandingRelation
from loader.migrate.ddl import RelationSpec, create_index, index_name


@dataclass
class IndexChanges:
    words: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def compare_indexes(table: Table, wanted: RelationSpec, standing: StandingRelation, catalog: Catalog) -> IndexChanges:
    """What it takes; an index that somebody else made serves as well as ours, and stays."""
    changes = IndexChanges()

    def drop(name: str) -> None:
        changes.statements.append(f"drop index {identifier(wanted.schema)}.{identifier(name)}")

    for index in standing.indexes:
        is_ours = bool(index.columns) and index.name == index_name(wanted.name, index.columns)
        if is_ours and index.columns not in wanted.indexes:
            changes.words.append(f"index on {', '.join(index.columns)} dropped")
            drop(index.name)
    there = {index.columns for index in standing.indexes if index.columns}
    for columns in wanted.indexes:
        if columns in there:
            continue
        if fault := name_fault(table, wanted, columns, catalog):
            changes.faults.append(fault)
            continue
        name = index_name(wanted.name, columns)
        if any(index.name == name for index in standing.indexes):
            drop(name)  # not whole, or not what its name says
        changes.words.append(f"index on {', '.join(columns)}")
        changes.statements.append(create_index(wanted, columns))
    return changes


def name_fault(table: Table, wanted: RelationSpec, columns: tuple[str, ...], catalog: Catalog) -> Fault | None:
    """That the name of an index to be made is another relation's, or another table's index's."""
    name = (wanted.schema, index_name(wanted.name, columns))
    if name not in catalog.relations and catalog.index_owners.get(name, wanted.name) == wanted.name:
        return None
    return Fault(
        f"the index on {', '.join(columns)} would be called {'.'.join(name)}, which is something else's name",
        "rename that",
        table.path, table.line, table.id,
    )  # fmt: skip
