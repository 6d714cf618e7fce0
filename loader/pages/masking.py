"""What people may see of a row that was kept back: direct personal data is never shown.

A row that could not be let in may hold anything anywhere, so where the contract can't tell
what a value is (an unknown column, a line that was not readable, a table that the contract no
longer has) it counts as personal if the table has any personal column at all. So does the name of
an unknown column: JSON may have a person's address as a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loader.contract.model import Contract, Table

MASK = "••••"
#: What a sentence quotes: from its first quotation mark to its last, for what stands between may
#: hold some itself.
_QUOTED = re.compile("""['"`“](.*)['"`”]""", re.DOTALL)
#: Rules of the door itself, beside the contract's, whose sentences quote nothing of a row.
_OWN_RULES = frozenset({"data_type", "not_null", "load_refused", "event_conflict"})


@dataclass(frozen=True)
class Cell:
    """One value of a row as it came; ``text`` is ``None`` where it was empty."""

    name: str
    label: str
    text: str | None
    masked: bool
    faulty: bool


class Mask:
    """Masks the rows of one table; ``None`` for a table that is not in the contract."""

    def __init__(self, table: Table | None) -> None:
        self._columns = {c.name: c for c in table.columns} if table is not None else {}
        self._personal = {name for name, column in self._columns.items() if column.pii == "direct"}
        self._key_is_personal = table is None or bool(self._personal & set(table.primary_key))
        self._all_unknown = table is None or bool(self._personal)
        self._known_rules = set(_OWN_RULES)
        #: Rules on several columns, whose faults show the values side by side.
        self._composite: set[str] = set()
        if table is not None:
            for rules in (table.row_rules, table.unique_rules, table.relationships):
                self._known_rules |= {rule.name for rule in rules}
            personal = self._personal
            self._composite = {r.name for r in table.unique_rules if personal & set(r.columns)}
            self._composite |= {r.name for r in table.relationships if personal & set(r.columns)}

    def hides(self, column: str) -> bool:
        """Whether values of that column are not to be shown."""
        return column in self._personal or (column not in self._columns and self._all_unknown)

    def row(self, payload: Mapping[str, Any], faulty: set[str | None]) -> list[Cell]:
        """The row as it came, in the contract's order; columns it does not know come last."""
        names = [name for name in self._columns if name in payload]
        names += [name for name in payload if name not in self._columns]
        return [self._cell(name, payload[name], name in faulty) for name in names]

    def _cell(self, name: str, value: Any, faulty: bool) -> Cell:
        column = self._columns.get(name)
        label = "The line as it came" if name == "_line" else column.label if column else name
        text = None if value is None else str(value)
        masked = text is not None and self.hides(name)
        if name != "_line" and self._hides_name(name):
            name = label = MASK
        return Cell(name, label, MASK if masked else text, masked, faulty)

    def _hides_name(self, column: str) -> bool:
        return self._all_unknown and column not in self._columns

    def column(self, name: str | None) -> str | None:
        """The column that a fault names; ``••••`` where the row itself may have named it."""
        return MASK if name is not None and self._hides_name(name) else name

    def fault_value(self, fault: Mapping[str, Any]) -> str | None:
        """The value that a fault names, ``••••`` if it is not to be shown."""
        value = fault.get("value")
        if value is None:
            return None
        column = fault.get("column")
        if column is not None:
            hidden = self.hides(column)
        else:
            hidden = not self._columns or fault.get("rule") in self._composite
        return MASK if hidden else str(value)

    def message(self, fault: Mapping[str, Any]) -> str:
        """The fault's sentence. That of ``unique`` ends with the key of another row; one that is
        no rule's of the contract may quote what the row holds."""
        message, rule = str(fault.get("message") or ""), str(fault.get("rule", ""))
        if self._key_is_personal and rule.startswith("unique"):
            return "must be unique, and stands already in another row"
        return message if rule in self._known_rules else self.failure(message)

    def failure(self, message: str) -> str:
        """Why a load failed, or a row could not be read, without what the sentence quotes of the
        body; the table's own columns and single signs stay."""
        return _QUOTED.sub(self._unquoted, message) if self._all_unknown else message

    def _unquoted(self, found: re.Match[str]) -> str:
        quoted = found[1]
        is_sign = len(quoted) == 1 and not quoted.isalnum()
        return found[0] if quoted in self._columns or is_sign else MASK


class Masks:
    """A mask for any table, by (source, table), made when it is first asked for."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._made: dict[tuple[str, str], Mask] = {}

    def __call__(self, source: str, table: str) -> Mask:
        key = (source, table)
        if key not in self._made:
            self._made[key] = Mask(self._contract.tables.get(key))
        return self._made[key]
