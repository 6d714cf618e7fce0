"""Which of a table's columns a file's columns are likely to be: a proposal, for a person to look at."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from loader.contract.model import Column

#: Characters of a name that are looked at.
_LONGEST = 100
#: Words for a number that tells one thing from others, where they stand last.
_NUMBER_WORDS = frozenset({"id", "no", "nr", "num", "number"})
#: Endings of many that are left out of account.
_PLURALS = ("s", "en", "n")
_SHORTEST_STEM = 4
_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_Words = tuple[str, ...]


def propose(names: Sequence[str], columns: Sequence[Column], known: Mapping[str, str | None]) -> dict[str, str | None]:
    """For each of a file's names the column that it is likely to be, each column at most once.

    First what was said of the name before (``known``), where it still can be; then the column of that
    name; then the one whose name or label has the same words, whatever their order, capitals, accents
    and signs. A name with a word more or less is another: *no consent* is not *consent*. ``None``: not in
    the table, as far as anybody knows. A name that comes twice is none of them.
    """
    left = {column.name: column for column in columns}
    found: dict[str, str | None] = dict.fromkeys(names)
    once = [name for name, times in Counter(names).items() if times == 1]
    settled = {name for name in once if name in known and known[name] is None}
    words = {column.name: {_words(column.name), _words(column.label)} for column in columns}
    ways = (
        lambda name: [known.get(name)],
        lambda name: [name],
        lambda name: [target for target, its in words.items() if _words(name) and _words(name) in its],
    )
    for way in ways:
        for name in once:
            target = next((target for target in way(name) if target in left), None)
            if target is not None and name not in settled:
                found[name] = left.pop(target).name
                settled.add(name)
    return found


def _words(name: str) -> _Words:
    """The words of a name in one order, each as it is compared."""
    plain = unicodedata.normalize("NFKD", _HUMP.sub(" ", name[:_LONGEST]).replace("ß", "ss"))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign)).casefold()
    words = _WORD.findall(plain)
    if len(words) > 1 and words[-1] in _NUMBER_WORDS:
        words[-1] = "id"
    return tuple(sorted(_stem(word) for word in words))


def _stem(word: str) -> str:
    for ending in _PLURALS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word.removesuffix(ending)
    return word
