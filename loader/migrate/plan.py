"""What a plan is made of: changes with their SQL and locks, refusals, warnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loader.contract.faults import Fault
from loader.ledger.upgrade import LedgerStep


@dataclass(frozen=True)
class Lock:
    """A lock that a change needs on a relation that stands: its quoted name, the mode, and
    the statement that takes it and does nothing else."""

    relation: str
    mode: str
    statement: str

    @property
    def is_on_table(self) -> bool:
        return self.statement.startswith("lock table")

    @classmethod
    def on_table(cls, relation: str, mode: str) -> Lock:
        return cls(relation, mode, f"lock table only {relation} in {mode} mode")


@dataclass(frozen=True)
class Change:
    """What is done to one thing: in words, in SQL, and the locks it needs."""

    subject: str
    words: tuple[str, ...]
    statements: tuple[str, ...]
    locks: tuple[Lock, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All of it: in the order in which it is done. Nothing is done while ``refusals`` stand."""

    ledger: LedgerStep
    changes: tuple[Change, ...] = ()
    refusals: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()
    ledger_locks: tuple[Lock, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing to do."""
        return not self.ledger.is_needed and not self.changes and not self.refusals

    @property
    def concerns_rows(self) -> bool:
        """Rows judged by the contract could not be stored before it is applied; comments and
        indexes alone can wait."""
        can_wait = ("comment on ", "create index ", "drop index ")
        statements = (s for change in self.changes for s in change.statements)
        return self.ledger.is_needed or not all(s.startswith(can_wait) for s in statements)

    @property
    def locks(self) -> list[Lock]:
        """Every lock: views from the outermost inwards, then tables by name. Readers of a view
        take theirs in that order too."""
        views = [lock for change in self.changes for lock in change.locks if not lock.is_on_table]
        tables = [lock for change in self.changes for lock in change.locks if lock.is_on_table]
        return [*views, *sorted([*tables, *self.ledger_locks], key=lambda lock: lock.relation)]

    def lines(self) -> list[str]:
        """The plan in words, one line a change."""
        lines = [str(self.ledger)] if self.ledger.is_needed else []
        lines += [f"{c.subject}: {word}" for c in self.changes for word in c.words]
        return lines

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON types, its SQL included."""
        return {
            "ledger": {"standing": self.ledger.standing, "newest": self.ledger.newest},
            "changes": [
                {"subject": c.subject, "words": list(c.words), "statements": list(c.statements)}
                for c in self.changes
            ],
            "refusals": [
                {
                    "table": f.table, "column": f.column, "problem": f.problem,
                    "remedy": f.remedy, "path": f.path, "line": f.line,
                }
                for f in self.refusals
            ],
            "warnings": list(self.warnings),
        }  # fmt: skip
