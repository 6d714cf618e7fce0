"""Rows made from a contract, as dbt's manifest states it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

from hypothesis import strategies as st

from tests.property.projects import DbtTest, Project, Row
from tests.property.reading import WHOLE_BITS
from tests.property.values import AWKWARD_TEXTS, bad, beside, good


class RowMaker:
    """Rows of a project's tables.

    `world` are the rows that stand before the example begins: rows are made of them, and their
    keys are the parents that there are.
    """

    def __init__(self, project: Project, world: dict[str, list[Row]]) -> None:
        self.project, self.world = project, world

    def rows(self, table: str, most: int, least: int = 1, spoil: int = 2) -> st.SearchStrategy[list[Row]]:
        """Lists of rows: world rows with a key of few choices, some columns anew, some spoilt (at most `spoil`)."""
        kinds, tests = self.project.columns[table], self.project.tests_of(table)
        own = {name: [t for t in tests if t.column == name] for name in kinds}
        fresh = {name: good(kind, own[name], self._choices(table, name)) for name, kind in kinds.items()}
        spoilt = {name: bad(kind, own[name]) for name, kind in kinds.items()}
        always = [name for name in kinds if self._choices(table, name)]
        others = sorted(set(kinds) - set(always))
        families = [(self._columns(test), self._parents(test)) for test in tests if test.name.startswith("rel")]

        @st.composite
        def made(draw: st.DrawFn) -> Row:
            row = dict(draw(st.sampled_from(self.world[table])))
            anew = draw(st.sets(st.sampled_from(others), max_size=4)) if others else set()
            for name in (*always, *sorted(anew)):
                row[name] = draw(fresh[name])
            for columns, parents in families:
                row.update(zip(columns, draw(st.sampled_from(parents)), strict=True))
            for name in draw(st.lists(st.sampled_from(sorted(kinds)), max_size=spoil)):
                row[name] = draw(spoilt[name])
            return row

        return st.lists(made(), min_size=least, max_size=most)

    def sweep(self, table: str, together: Sequence[Row] = ()) -> list[list[Row]]:
        """Loads in which each column takes each value that its rules or its type might refuse, one a row.

        `together` are rows beside these: what each changes of a good one.
        """
        rows = []
        for name, kind in self.project.columns[table].items():
            own = [test for test in self.project.tests_of(table) if test.column == name]
            # every awkward text for every type, where the types are what the table is about
            awkward = [*AWKWARD_TEXTS] if len(self.project.columns[table]) > 20 else ["1e3", "today", "NaN", "0x10"]
            if kind.family == "text":
                awkward = ["can't"]
            rows += [(name, value) for value in [None, *beside(kind, own), *awkward]]
        changes: list[Row] = [{}, *({name: value} for name, value in rows)]
        made = [{**self._own_key(table, number), **row} for number, row in enumerate([*changes, *together])]
        loads: list[dict[tuple[str | None, ...], Row]] = [{}]
        key = self._key(table)
        for own in made:
            row = {**self.world[table][-1], **own}
            values = tuple(row[k] for k in key)
            load = next((load for load in loads if values not in load), None)
            if load is None:
                loads.append(load := {})
            load[values] = row
        return [list(load.values()) for load in loads]

    def _own_key(self, table: str, number: int) -> Row:
        """A key column that can be numbered, and unique columns, with values of this row's own."""
        tests = self.project.tests_of(table)
        unique = {c for t in tests for c in self._columns(t) if t.name.startswith("unique")}
        foreign = {c for t in tests for c in self._columns(t) if t.name.startswith("rel")}
        found: Row = {}
        for name in unique - foreign:
            kind, base = self.project.columns[table][name], self.world[table][-1][name] or ""
            limits = [t for t in tests if t.column == name and t.name in ("accepted_values", "matches", "between")]
            if kind.family in WHOLE_BITS and not limits:
                found[name] = str(100 + number)
            elif kind.family == "text" and base.isdigit() and all(t.name == "matches" for t in limits):
                found[name] = str(int(base) + number)
            elif kind.family == "text" and not limits:
                found[name] = f"own {number}"
            elif kind.family == "uuid":
                found[name] = f"00000000-0000-0000-0000-{number:012d}"
            elif kind.family == "date":
                found[name] = f"{2000 + number // 12}-{number % 12 + 1:02d}-01"
        return found

    def _key(self, table: str) -> list[str]:
        source = next(
            s for s in self.project.manifest["sources"].values() if f"{s['source_name']}.{s['name']}" == table
        )
        return list(source["config"]["meta"]["primary_key"])

    def _choices(self, table: str, column: str) -> int:
        """How many values the column has, so that rows meet: few in the key, more in a unique rule, 0 for any."""
        if column in self._key(table):
            return 4
        unique = [test for test in self.project.tests_of(table) if test.name.startswith("unique")]
        return 20 if any(column in self._columns(test) for test in unique) else 0

    def _columns(self, test: DbtTest) -> list[str]:
        return [test.column] if test.column else list(test.arguments.get("columns", []))

    def late_parents(self, tables: Sequence[str]) -> list[tuple[str, list[Row]]]:
        """A load for each parent that rows of the tables may name and that does not stand."""
        loads: list[tuple[str, list[Row]]] = []
        for test in (test for table in tables for test in self.project.tests_of(table) if test.name.startswith("rel")):
            parent, fields = self._parent(test)
            standing = self._standing(parent, fields)
            named = standing + self._absent(parent, fields)
            # two relations may share a column, so that a row has a part of its key by each
            keys = [key for key in product(*map(dict.fromkeys, zip(*named, strict=True))) if key not in standing]
            for number, key in enumerate(keys):
                row = self.world[parent][-1] | self._own_key(parent, 50 + number) | dict(zip(fields, key, strict=True))
                loads += [] if (parent, [row]) in loads else [(parent, [row])]
        return loads

    def _parents(self, test: DbtTest) -> list[tuple[str | None, ...]]:
        """Keys that stand in the world, and one or two that may come within the example."""
        table, fields = self._parent(test)
        return self._standing(table, fields) * 3 + self._absent(table, fields)

    def _parent(self, test: DbtTest) -> tuple[str, list[str]]:
        table = ".".join(re.findall(r"'([^']+)'", str(test.arguments["to"]))[:2])
        return table, [test.arguments["field"]] if "field" in test.arguments else list(test.arguments["fields"])

    def _standing(self, table: str, fields: list[str]) -> list[tuple[str | None, ...]]:
        return [tuple(row[field] for field in fields) for row in self.world[table]]

    def _absent(self, table: str, fields: list[str]) -> list[tuple[str | None, ...]]:
        kinds = self.project.columns[table]
        if all(kinds[field].family in WHOLE_BITS for field in fields):
            return [tuple(str(n) for _ in fields) for n in (3, 4)]
        return [(*self._standing(table, fields)[0][:-1], "3")]
