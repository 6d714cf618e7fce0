"""Who may do what, with which tables.

A person has a role, a program's token names its actions; either is for the tables that it names:
``*``, ``source.*`` or ``source.table``. What a route asks for stands in :data:`loader.app.NEEDS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from loader.contract.model import Contract

#: What may be done with a table, in the words of a refusal.
ACTIONS = {
    "read": "see what is in",
    "load": "bring rows into",
    "mend": "take up kept rows of",
    "delete": "delete rows of",
    "undo": "undo loads into",
}
#: Actions by role. An ``admin`` is one for every table.
ROLES = {
    "viewer": frozenset({"read"}),
    "clerk": frozenset({"read", "load"}),
    "steward": frozenset(ACTIONS),
    "admin": frozenset(ACTIONS),
}
ALL_TABLES = ("*",)
_PATTERN = re.compile(r"\*|[^.*]+\.(\*|[^.*]+)")


@dataclass(frozen=True)
class Principal:
    """Who comes: a person or a program, what they may do, and the patterns of the tables they may do it with."""

    name: str
    actions: frozenset[str]
    tables: tuple[str, ...] = ALL_TABLES

    def may(self, action: str, source: str, table: str) -> bool:
        """Whether this is open to them; a name that is no table's is as any other."""
        return action in self.actions and not {"*", f"{source}.*", f"{source}.{table}"}.isdisjoint(self.tables)

    @property
    def reads_all(self) -> bool:
        return "read" in self.actions and "*" in self.tables

    def readable(self, contract: Contract) -> Contract:
        """The contract with the tables that they may read, and no other."""
        if self.reads_all:
            return contract
        return replace(contract, tables={key: t for key, t in contract.tables.items() if self.may("read", *key)})

    def reads(self, entity: Any) -> sa.ColumnElement[bool]:
        """True of entries of the ledger, of a model with ``source`` and ``table_name``, that they may read."""
        if self.reads_all:
            return sa.true()
        if "read" not in self.actions:
            return sa.false()
        own = []
        for pattern in self.tables:
            source, _, table = pattern.partition(".")
            own.append(entity.source == source if table == "*" else
                       sa.and_(entity.source == source, entity.table_name == table))  # fmt: skip
        return sa.or_(sa.false(), *own)


def patterns_that_name_nothing(patterns: Iterable[str], contract: Contract) -> list[str]:
    """Those that are no pattern, or that no table of the contract fits: a mistyped one opens nothing."""
    return [
        pattern
        for pattern in patterns
        if not _PATTERN.fullmatch(pattern)
        or not any(Principal("", frozenset(("read",)), (pattern,)).may("read", *key) for key in contract.tables)
    ]
