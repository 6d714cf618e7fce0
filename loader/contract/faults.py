"""What is wrong with a contract: where it stands, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault: file, line, table and column are given where they are known."""

    problem: str
    remedy: str
    path: str = ""
    line: int | None = None
    table: str = ""
    column: str = ""

    def __str__(self) -> str:
        place = self.path + (f":{self.line}" if self.path and self.line else "")
        subject = self.table + (f", column {self.column}" if self.column else "")
        where = " ".join(part for part in (place, subject and f"({subject})") if part)
        return f"{where + ': ' if where else ''}{self.problem}. Remedy: {self.remedy}"


class ContractError(Exception):
    """The contract can't be honoured; carries every fault found."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))
