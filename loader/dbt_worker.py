"""dbt in a process that stays: what :mod:`loader.dbt_kept` starts.

Reads orders from standard input, a line of JSON each, and answers on standard output, lines of
JSON: what dbt says as it says it, and last how it ended. The project is parsed once, and again
when the order's fingerprint of its files is another. Ends with its standard input.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

from dbt.cli.main import dbtRunner

_SAID = ("info", "warn", "error")


class Worker:
    """Keeps the project as dbt has parsed it, and the fingerprint of the files it was parsed from."""

    def __init__(self, answers: TextIO) -> None:
        self._answers = answers
        self._manifest: Any = None
        self._parsed: str | None = None

    def do(self, order: dict[str, Any]) -> None:
        """One order: ``arguments`` for dbt and ``project``, the fingerprint of its files."""
        if self._parsed != order["project"]:
            self._manifest = self._parsed = None
            parsed = self._invoke(["parse"])
            if parsed is None:
                return
            self._manifest, self._parsed = parsed, order["project"]
        if self._invoke(order["arguments"]) is not None:
            self._answer(ended=0)

    def _invoke(self, arguments: list[str]) -> Any:
        """What dbt returned; `None` if it failed, which is then the answer."""
        runner = dbtRunner(manifest=self._manifest, callbacks=[self._hear])
        outcome = runner.invoke(["--quiet", "--no-use-colors", *arguments])
        if outcome.success:
            return outcome.result or True
        if isinstance(outcome.exception, KeyboardInterrupt):
            raise outcome.exception
        if outcome.exception is not None:
            self._say(str(outcome.exception))
        self._answer(ended=1 if outcome.exception is None else 2, failed=arguments[0])
        return None

    def _hear(self, event: Any) -> None:
        if event.info.level in _SAID:
            self._say(event.info.msg)

    def _say(self, words: str) -> None:
        for line in words.splitlines():
            self._answer(line=line)

    def _answer(self, **answer: Any) -> None:
        # one write a line: dbt says things from several threads
        self._answers.write(json.dumps(answer) + "\n")
        self._answers.flush()


def main() -> None:
    # What dbt and what it imports print themselves is no answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(answers)
    try:
        for line in sys.stdin:
            worker.do(json.loads(line))
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)  # dbt has cancelled its queries; its threads are not waited for


if __name__ == "__main__":
    main()
