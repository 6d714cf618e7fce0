"""What became of a load, in one sentence for whoever brought it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loader.pages.words import counted


@dataclass(frozen=True)
class Verdict:
    """``kind`` is good, mixed, bad or open."""

    kind: str
    words: str


def verdict_of(load: Any) -> Verdict:
    """Of a row of ``ledger.loads``."""
    match load.status:
        case "running":
            return Verdict("open", "This load has not ended yet; nothing of it can be seen so far.")
        case "failed":
            return Verdict("bad", "This load failed: nothing of it was stored.")
        case "refused":
            return Verdict("bad", "Refused whole: nothing of it was let in, because some of its rows are not good.")
    if not load.received:
        return Verdict("good", "It held no rows.")
    if load.accepted == load.received:
        return Verdict("good", "The row is in." if load.received == 1 else "Every row is in.")
    if load.duplicates == load.received:
        came = "This row" if load.received == 1 else "Every row"
        return Verdict("good", f"{came} had come before: nothing changed.")
    parts = []
    if load.waiting:
        parts.append(f"{counted(load.waiting, 'row waits', 'rows wait')} for a parent and will come in when it arrives")
    if load.rejected:
        parts.append(f"{counted(load.rejected, 'row was', 'rows were')} refused and kept to be mended")
    if not parts:
        return Verdict("good", "Every row is in or had come before.")
    first = f"{counted(load.accepted, 'row is', 'rows are')} in; " if load.accepted else ""
    return Verdict("mixed" if not load.rejected or load.accepted else "bad", f"{first}{', '.join(parts)}.")
