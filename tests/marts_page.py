"""docs/marts.md: the questions that marts are asked, and what the demonstration shop answers.

``python -m tests.marts_page`` writes the answers anew, from the whole shop: the database is this
folder's, or what libpq's variables name.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from loader.postgres_wheel import wheel_binaries
from loader.settings import Settings
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "marts.md"
_SECTION = re.compile(r"^## (mart_\w+\.\w+)\n(.*?)```sql\n(.*?)```\n\s*```\n(.*?)```\n", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Question:
    """What a mart is asked in SQL, and the answer on the page, as psql aligns it."""

    mart: str
    sql: str
    answer: str

    @property
    def columns(self) -> str:
        return self.answer.split("\n", 1)[0]


def questions() -> Iterator[Question]:
    for match in _SECTION.finditer(PAGE.read_text("utf-8")):
        yield Question(match[1], match[3], match[4])


def ask(sql: str, environment: dict[str, str]) -> str:
    """psql's answer, without the blanks at the ends of its lines."""
    command = [str(wheel_binaries() / "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-c", sql]
    asked = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, f"{sql}\n{asked.stderr}"
    return "\n".join(line.rstrip() for line in asked.stdout.strip("\n").split("\n")) + "\n"


def write_anew() -> None:
    text = PAGE.read_text("utf-8")
    here = Settings.from_environment().environment()

    def answered(match: re.Match[str]) -> str:
        return f"## {match[1]}\n{match[2].rstrip()}\n```sql\n{match[3]}```\n```\n{ask(match[3], here)}```\n"

    PAGE.write_text(_SECTION.sub(answered, text), "utf-8")


if __name__ == "__main__":
    write_anew()
