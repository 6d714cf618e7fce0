"""A table's rules in words, for its page."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from loader.contract.model import Contract, Table


@dataclass(frozen=True)
class RuleWords:
    """One rule; ``words`` end where the link to ``parent`` begins, if there is one."""

    words: str
    warns: bool
    where: str | None
    parent: Table | None = None


def rules_in_words(table: Table, contract: Contract) -> dict[str | None, list[RuleWords]]:
    """Rules by column; those on several columns under ``None``."""
    found: dict[str | None, list[RuleWords]] = defaultdict(list)
    for rule in table.row_rules:
        words = RuleWords(rule.message, rule.severity == "warn", rule.where)
        found[_column(rule.columns)].append(words)
    for unique in table.unique_rules:
        together = len(unique.columns) > 1
        text = f"{' and '.join(unique.columns)} together must be unique" if together else "must be unique"
        found[_column(unique.columns)].append(RuleWords(text, unique.severity == "warn", unique.where))
    for relationship in table.relationships:
        warns = relationship.severity == "warn"
        parent = contract.tables.get(relationship.parent)
        if len(relationship.columns) > 1:
            text = f"{' and '.join(relationship.columns)} must be found together in "
        else:
            text = "must be found in "
        if not warns:
            text = text.replace("must be found", "waits until it is found")
        found[_column(relationship.columns)].append(RuleWords(text, warns, relationship.where, parent))
    return dict(found)


def _column(columns: tuple[str, ...]) -> str | None:
    return columns[0] if len(columns) == 1 else None
