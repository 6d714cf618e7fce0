"""A body's names for its columns, and which of the table's columns each of them is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loader.contract.model import Column, Table
from loader.contract.types import DataType
from loader.intake.decode.base import ReadFailure, storable
from loader.intake.decode.said import Said

#: More names than this are no table's header; a contract's widest table has far fewer.
_MOST_COLUMNS = 5000
_SHOWN = 80
#: Of the names that a receipt keeps.
_LONGEST, _MOST_SHOWN = 200, 200
_TEXT = DataType("text", "text")


@dataclass(frozen=True)
class Header:
    """The names of a body's header, and for each the table's column that it is; ``None`` where it is left out."""

    names: tuple[str, ...]
    columns: tuple[Column | None, ...]
    #: Whether a name may be a person's data, and is not to be kept or shown.
    hides_names: bool = False

    @property
    def kept(self) -> dict[int, Column]:
        """The columns that are not left out, by their place from 0."""
        return {place: column for place, column in enumerate(self.columns) if column is not None}

    @property
    def column_names(self) -> tuple[str, ...]:
        """The table's names of those that are not left out, in the body's order."""
        return tuple(column.name for column in self.kept.values())

    @property
    def found(self) -> dict[str, Any]:
        """What a receipt says of names that are not the table's; nothing if all are."""
        pairs = zip(self.names, self.columns, strict=True)
        return _shown([(name, column.name if column else None) for name, column in pairs], self.hides_names)


def place_columns(table: Table, names: Sequence[str], said: Said, *, has_lines: bool = False) -> Header:
    """Which of the table's columns the body's are; raises :class:`ReadFailure` if it can't take them.

    ``has_lines``: the names are a text's first line, which may be a row instead. The failure is
    kept and shown, so it quotes nothing that may be a person's data.
    """
    if len(names) > _MOST_COLUMNS:
        raise ReadFailure(f"there are {len(names):,} columns; at most {_MOST_COLUMNS:,} are read")
    if said.as_it_is:
        # names of their own: a file's may come twice
        places = tuple(Column(str(place), _TEXT, required=False, label=name, description="")
                       for place, name in enumerate(names))  # fmt: skip
        return Header(tuple(names), places)
    check_said(table, said)
    meant = said.meant
    if absent := [name for name in meant if name not in names]:
        raise ReadFailure(
            f"of the columns that were said, the file has none of the name {absent[0][:_SHOWN]!r}: write it as the "
            "file does"
        )
    known = set(table.column_names)
    unknown = [(place, name) for place, name in enumerate(names, 1) if name not in known and name not in meant]
    if unknown:
        raise ReadFailure(_unknown_columns(table, unknown, len(names), has_lines))
    targets = [meant.get(name, name) for name in names]
    found = [target for target in targets if target is not None]
    twice = [name for name, times in Counter(found).items() if times > 1]
    if twice:
        raise ReadFailure(f"the column {twice[0]!r} stands there twice; keep one of the two")
    missing = [c.name for c in table.columns if c.required and c.name not in found]
    if missing:
        raise ReadFailure(f"the column {missing[0]!r} is missing, and may not be empty")
    if not found:
        raise ReadFailure("every column is left out")
    columns = tuple(None if target is None else table.column(target) for target in targets)
    return Header(tuple(names), columns, _hides_names(table))


def check_said(table: Table, said: Said) -> None:
    """Raises :class:`ReadFailure` if what was said of columns names one that the table does not have."""
    for name, target in said.meant.items():
        if target is not None and target not in table.column_names:
            raise ReadFailure(
                f"of the columns that were said, {name[:_SHOWN]!r} is to be {target[:_SHOWN]!r}, which {table.id} does "
                f"not have; its columns are: {', '.join(table.column_names)}"
            )


def found_of_said(table: Table, said: Said) -> dict[str, Any]:
    """As :attr:`Header.found`, for a body whose rows have names of their own."""
    return _shown(said.columns, _hides_names(table))


def _hides_names(table: Table) -> bool:
    """A line that was taken for a header, or a key of JSON, may hold what a column that is marked does."""
    return any(column.pii == "direct" for column in table.columns)


def _shown(pairs: Sequence[tuple[str, str | None]], hides_names: bool) -> dict[str, Any]:
    """Of each name that is not the table's what it is; by its place alone where names are hidden."""
    other = {
        f"column {place}" if hides_names else storable(name[:_LONGEST]): target
        for place, (name, target) in enumerate(pairs, 1)
        if name != target
    }
    return {"columns": dict(list(other.items())[:_MOST_SHOWN])} if other else {}


def _unknown_columns(table: Table, unknown: list[tuple[int, str]], count: int, has_lines: bool) -> str:
    columns = f"columns are: {', '.join(table.column_names)}"
    for place, name in unknown:
        if not name.strip():
            return f"column {place} of the header has no name; {table.id}'s {columns}"
        for known in table.column_names:
            if name.strip().casefold() == known.casefold():
                return f"column {place} of the header is {known!r} but for capitals or blanks: write it exactly so"
    if len(unknown) == count:
        if has_lines:
            return f"the first line holds none of the column names of {table.id}: is the header missing? Its {columns}"
        return f"the file has none of the columns of {table.id}; its {columns}"
    if _hides_names(table):
        listed = ", ".join(str(place) for place, _ in unknown[:5])
        which = "column" if len(unknown) == 1 else "columns"
        return f"{table.id} does not have the name of {which} {listed} of the header; its {columns}"
    listed = ", ".join(repr(name[:_SHOWN]) for _, name in unknown[:5])
    return f"{table.id} has no column {listed}; its {columns}"
