"""Pages of docs/ that tests write: `GATEHOUSE_WRITE_PAGES=1` with pytest lets them, else they compare."""

from __future__ import annotations

import os

from tests.conftest import ROOT

WRITE = "GATEHOUSE_WRITE_PAGES"
MAY_WRITE = os.environ.get(WRITE) == "1"


def cell(text: str) -> str:
    """``text`` within a table of Markdown, as code."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|") if text else ""


def compare(name: str, page: str) -> None:
    """The page in docs/ must be this one; it is written first where that is asked for."""
    path = ROOT / "docs" / name
    if MAY_WRITE:
        path.write_text(page, "utf-8")
    assert path.read_text("utf-8") == page, f"docs/{name} says something else; {WRITE}=1 writes it anew"
