"""Which of a table's columns a file's columns are likely to be: a proposal, for a person to look at."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from loader.contract.model import Column

#: How alike two names must be, of 1, to be proposed.
_ENOUGH = 0.78
#: Characters of a name that are looked at.
_LONGEST = 100
#: Words for a number that tells one thing from others.
_NUMBER_WORDS = frozenset({"id", "no", "nr", "num", "number", "key"})
_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def propose(names: Iterable[str], columns: Iterable[Column], known: Mapping[str, str | None]) -> dict[str, str | None]:
    """For each of a file's names the column that it is likely to be, each column at most once.

    ``known``: what was said of names before, which goes first where it still can be. A name that is
    like none is not in the table: ``None``.
    """
    names, left = list(dict.fromkeys(names)), {column.name: column for column in columns}
    found: dict[str, str | None] = dict.fromkeys(names)
    for name in names:
        if name in left:
            found[name] = left.pop(name).name
    settled = {name for name in names if found[name] is not None}
    for name in names:
        if name in known and name not in settled:
            target = known[name]
            if target is None or target in left:
                settled.add(name)
                found[name] = target
                left.pop(target or "", None)
    alike = [
        (_likeness(name, column), -place, -order, name, column.name)
        for place, name in enumerate(names)
        if name not in settled
        for order, column in enumerate(left.values())
    ]
    for likeness, _, _, name, target in sorted(alike, reverse=True):
        if likeness >= _ENOUGH and found[name] is None and target in left:
            found[name] = left.pop(target).name
    return found


def _likeness(name: str, column: Column) -> float:
    """From 0 to 1, which is the same but for capitals, signs and accents."""
    said = _words(name)
    if not said:
        return 0.0
    return max(_alike(said, _words(other)) for other in (column.name, column.label))


def _alike(one: list[str], other: list[str]) -> float:
    if one == other:
        return 1.0
    if sorted(one) == sorted(other):
        return 0.95
    return 0.94 * SequenceMatcher(None, " ".join(one), " ".join(other), autojunk=False).ratio()


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", _HUMP.sub(" ", name[:_LONGEST]).replace("ß", "ss"))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign)).casefold()
    return ["id" if word in _NUMBER_WORDS else word for word in _WORD.findall(plain)]
