"""Histories of a shop: loads, deletes, undos and builds in any order, drawn by hypothesis.

Made from the contract alone: rows are those of the columns' own examples with some values drawn
anew from few, so that keys meet, moments are equal, parents are missing and come later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.property.projects import Row
from tests.property.worlds import relations, shop, source_tables

#: The night in which an hour is missing, midnight in the shop's zone, and the last moment of a year among them.
_MOMENTS = ("2017-03-01T12:00:00Z", "2017-03-12T07:30:00Z", "2017-06-01T03:59:59.999999Z", "2017-06-01T04:00:00Z",
            "2017-12-31T23:59:59.999999Z")  # fmt: skip
_NOBODY = "4711"


@dataclass(frozen=True)
class Load:
    """Rows of a table; with `deletes` they are keys, and rows under them are set to waiting."""

    table: str
    rows: tuple[Row, ...]
    deletes: bool = False


@dataclass(frozen=True)
class Undo:
    """The load that was made so many loads ago."""

    ago: int


#: What is done before a build, build after build.
History = list[list[Load | Undo]]


class Histories:
    """Draws histories of the shop's tables."""

    def __init__(self) -> None:
        self.world: dict[str, list[Row]] = dict(shop()[0])
        self._tables = source_tables()
        self._choices = {name: dict(self._values(name)) for name in self.world}
        self._parents = {
            name: [(own, [[row[field] for field in fields] for row in self.world[parent]])
                   for own, parent, fields in relations(self._tables[name])]
            for name in self.world
        }  # fmt: skip

    def _values(self, name: str) -> Iterator[tuple[str, list[str | None]]]:
        """Each column of a table and what it may hold: few values, some of them wrong."""
        for column in self._tables[name]["columns"]:
            known = list(dict.fromkeys(row[column["name"]] for row in self.world[name]))
            kind, text = str(column["data_type"]), str(column.get("data_tests"))
            listed = next((test["accepted_values"]["arguments"]["values"] for test in column.get("data_tests", [])
                           if isinstance(test, dict) and "accepted_values" in test), None)  # fmt: skip
            if listed is not None:
                known += [str(value) for value in listed]
            elif kind == "timestamptz":
                known += _MOMENTS
            elif kind == "date" and "first_of_month" not in text:
                known += [str(date.fromisoformat(value) + timedelta(days=1)) for value in known if value]
                known += ["2017-06-01"]
            elif kind.startswith(("integer", "bigint", "smallint", "numeric")):
                known += [str(int(float(value)) + 1) for value in known if value]
            if "not_null" not in text and "not_null" not in str(column.get("constraints")):
                known.append(None)
            yield column["name"], list(dict.fromkeys(known))

    def _row(self, name: str) -> st.SearchStrategy[Row]:
        choices = self._choices[name]

        @st.composite
        def made(draw: st.DrawFn) -> Row:
            row = dict(draw(st.sampled_from(self.world[name])))
            for column in draw(st.sets(st.sampled_from(sorted(choices)), max_size=4)):
                row[column] = draw(st.sampled_from(choices[column]))
            for own, parents in self._parents[name]:
                row.update(zip(own, draw(st.sampled_from([*parents, *parents, [_NOBODY] * len(own)])), strict=True))
            return row

        return made()

    def _load(self, names: list[str]) -> st.SearchStrategy[Load]:
        @st.composite
        def made(draw: st.DrawFn) -> Load:
            name = draw(st.sampled_from(names))
            return Load(name, tuple(draw(st.lists(self._row(name), min_size=1, max_size=3))))

        return made()

    def _delete(self, names: list[str]) -> st.SearchStrategy[Load]:
        @st.composite
        def made(draw: st.DrawFn) -> Load:
            name = draw(st.sampled_from(names))
            meta: dict[str, Any] = self._tables[name]["config"]["meta"]
            row = draw(st.sampled_from(self.world[name]))
            key = {column: row[column] for column in meta["primary_key"]}
            if moment := meta.get("valid_from"):
                # Not stated, as of the row that stands (a change log's image of it), or of another time.
                stated = draw(st.sampled_from([None, row[moment], *_MOMENTS]))
                key |= {moment: stated} if stated else {}
            return Load(name, (key,), deletes=True)

        return made()

    def histories(self, builds: int) -> st.SearchStrategy[History]:
        """At first the world but a few tables, which come later; then whatever comes; so many builds."""
        names = list(self.world)
        parents = sorted({parent for table in self._tables.values() for _, parent, _ in relations(table)})
        versioned = [name for name in names if self._tables[name]["config"]["meta"].get("load") == "versions"]
        act = st.one_of(
            self._load(names), self._load(names), self._load(versioned), self._delete(versioned),
            st.integers(1, 12).map(Undo),
        )  # fmt: skip

        @st.composite
        def made(draw: st.DrawFn) -> History:
            late = draw(st.lists(st.sampled_from(parents), min_size=1, max_size=3, unique=True))
            first = [Load(name, tuple(rows)) for name, rows in self.world.items() if name not in late]
            later = [draw(st.lists(act, min_size=2, max_size=6)) for _ in range(builds - 1)]
            for name in late:
                later[draw(st.integers(0, len(later) - 1))].append(Load(name, tuple(self.world[name])))
            return [[*first], *later]

        return made()
