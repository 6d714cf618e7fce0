"""What a draft is made from, and where it belongs: the project's own word on a source, if it has one."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from loader.contract.draft import DraftTable
from loader.contract.draft_database import draft_tables
from loader.contract.draft_sample import draft_file
from loader.contract.read import Source, read_sources
from loader.database import connection_faults, make_engine
from loader.remedy import Remedy
from loader.settings import Settings


class Drafting:
    """A draft of ``source``, or of its one ``table``; ``schema`` wins over what the project says."""

    def __init__(self, settings: Settings, source: str, table: str | None, schema: str | None) -> None:
        self.settings, self.source, self.table, self._schema = settings, source, table, schema

    @cached_property
    def declared(self) -> list[Source]:
        """The tables of that source in the project; none if it does not know the source."""
        read = read_sources(self.settings.project_dir, self.settings.state_dir)
        return [source for source in read.sources if source.table.source == self.source]

    @property
    def schema(self) -> str:
        """Where the source's tables stand: by dbt's rule, in a schema of its name unless it says another."""
        return self._schema or (self.declared[0].table.schema if self.declared else self.source)

    @property
    def file(self) -> Path:
        """The sources file that a draft is written into. Raises :class:`Remedy` where there is none."""
        own = [one.table.path for one in self.declared if self.table in (None, one.table.name)]
        paths = sorted(set(own or (one.table.path for one in self.declared)))
        if len(paths) != 1:
            problem = (
                f"The project has no source {self.source}."
                if not paths
                else (f"The source {self.source} stands in several files: {', '.join(paths)}.")
            )
            raise Remedy(problem, "Leave out --write, and copy what is printed; or name one SOURCE.TABLE.")
        return self.settings.project_dir / paths[0]

    def from_file(self, sample: Path) -> list[DraftTable]:
        """The one table, as a sample shows it."""
        assert self.table is not None
        return [draft_file(sample, self.table)]

    def from_database(self) -> list[DraftTable]:
        """The tables that the project declares, or all of the schema where it declares none."""
        relations = {one.table.identifier: one.table.name for one in self.declared}
        if self.table is not None:
            found = {identifier: name for identifier, name in relations.items() if name == self.table}
            relations = found or {self.table: self.table}
        engine = make_engine(self.settings)
        try:
            with connection_faults(self.settings):
                return draft_tables(engine, self.schema, relations or None)
        finally:
            engine.dispose()
