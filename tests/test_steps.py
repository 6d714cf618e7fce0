"""What is said while work goes on: counts that mislead nobody, and no long silence."""

from __future__ import annotations

import time
from io import StringIO

import pytest
from rich.console import Console

from loader import build, steps
from loader.steps import Counter, Display


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(steps.time, "monotonic", lambda: self.now)


def test_rate_and_remaining_time_are_of_the_whole_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    count = Counter()
    count.set(0, 600, "rows")
    clock.now = 20
    count.set(100, 600, "rows")
    assert str(count) == "100 of 600 rows, 5.0/s, 2 min left"
    clock.now = 40
    count.set(500, 600, "rows")
    assert str(count) == "500 of 600 rows, 12/s, 8 s left"
    clock.now = 50
    count.set(600, 600, "rows")
    clock.now = 99
    assert str(count) == "600 of 600 rows, 12/s", "what follows on the count is no part of it"


def test_with_work_outstanding_no_second_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    count = Counter()
    count.set(0, 637, "")
    clock.now = 2
    count.set(519, 637, "")
    assert str(count) == "519 of 637, 260/s"


def test_silent_work_is_heard_of_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(steps, "SILENT_SECONDS", 0.1)
    out = StringIO()
    with Display("serve", Console(file=out, width=80)) as display:
        display.show("waiting for the first answer")
        time.sleep(0.6)
    lines = out.getvalue().splitlines()
    assert 2 <= len(lines) <= 6
    assert all(line.startswith("  waiting for the first answer, ") and line.endswith(" s so far") for line in lines)


def test_nodes_of_a_build_count_when_they_have_ended() -> None:
    lines = """
12:00:01  1 of 2 START hook: gatehouse.on-run-start.0 ................................... [RUN]
12:00:01  1 of 2 OK hook: gatehouse.on-run-start.0 ...................................... [OK in 0.05s]
12:00:02  Concurrency: 2 threads (target='default')
12:00:02  1 of 6 START sql view model staging.stg_a ..................................... [RUN]
12:00:02  2 of 6 START sql table model warehouse.fct_b .................................. [RUN]
12:00:02  1 of 6 OK created sql view model staging.stg_a ................................ [CREATE VIEW in 0.10s]
12:00:02  3 of 6 START test unique_a .................................................... [RUN]
12:00:03  3 of 6 PASS unique_a .......................................................... [PASS in 0.10s]
12:00:03  4 of 6 START test accepted_values_a_kind__x__y ................................ [RUN]
12:00:03  4 of 6 FAIL 2 accepted_values_a_kind__x__y .................................... [FAIL 2 in 0.10s]
12:00:03  5 of 6 SKIP relation warehouse.c .............................................. [SKIP]
12:00:09  2 of 6 ERROR creating sql table model warehouse.fct_b ......................... [ERROR in 7.00s]
""".splitlines()
    told: list[tuple[str, int | None, int | None]] = []
    tell = build.NodesEnded(lambda *said: told.append(said))
    for line in lines:
        tell(line)
    ended = [done for _, done, _ in told]
    assert ended == [0, 0, 1, 1, 2, 2, 3, 4, 5]
    assert {total for _, _, total in told} == {6}
    assert told[-2][0] == "warehouse.fct_b", "what runs the longest is named while it does"
