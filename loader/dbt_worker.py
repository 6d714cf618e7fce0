"""dbt in a process that stays: what :mod:`loader.dbt_kept` starts.

Reads orders from standard input, a line of JSON each, and answers on standard output, lines of
JSON: what dbt says as it says it, and last how it ended. The project is parsed once, and again
when the order's fingerprint of its files is another. Ends with its standard input, and with the
process that started it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any, TextIO

from dbt.cli.main import dbtRunner

_SAID = ("info", "warn", "error")
_PARENT_SECONDS, _END_SECONDS = 1.0, 10.0


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
        # what it says is heard here, and not printed as well
        silent = ["--log-level", "none", "--log-level-file", "debug"]
        outcome = runner.invoke(["--quiet", "--no-use-colors", *silent, *arguments])
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
        # One write a line: dbt says things from several threads. Where nobody listens any more
        # dbt is about to be ended; an error in its ear would have its threads wait for each other.
        with suppress(BrokenPipeError):
            self._answers.write(json.dumps(answer) + "\n")
            self._answers.flush()


def end_after(parent: int) -> None:
    """Waits until the parent has gone, killed perhaps, and then ends this process."""
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGINT)  # dbt cancels its queries
    time.sleep(_END_SECONDS)
    os._exit(130)


def main() -> None:
    # What dbt and what it imports print themselves is no answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(answers)
    threading.Thread(target=end_after, args=(int(sys.argv[1]),), daemon=True).start()
    try:
        for line in sys.stdin:
            worker.do(json.loads(line))
    except KeyboardInterrupt:
        os._exit(130)  # dbt has cancelled its queries; its threads are not waited for


if __name__ == "__main__":
    main()
