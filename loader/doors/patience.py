"""How long a request may wait for a load into the same table to end.

A thread that loads, or waits for a table, answers nobody else. So only some requests of a process
wait as long as they would like to; while these load or wait, every other one is told soon to come
again, and threads stay free for what needs no table.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Requests of one process that may load and wait at their leisure: half of the threads of a worker.
SEATS = 4
#: How long all others wait, and the least that anybody does, in seconds.
HURRIED_SECONDS = 0.5

_seats = threading.BoundedSemaphore(SEATS)


@contextmanager
def patience(seconds: float) -> Iterator[Callable[[], float]]:
    """Yields a callable for the seconds that this request may still wait: at most ``seconds``
    from here on, all its loads together."""
    seated = _seats.acquire(blocking=False)
    until = time.monotonic() + (seconds if seated else HURRIED_SECONDS)
    try:
        yield lambda: max(HURRIED_SECONDS, until - time.monotonic())
    finally:
        if seated:
            _seats.release()
