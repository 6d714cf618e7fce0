"""Read ahead: the next pieces are made by a thread while the database takes the last one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Iterates over ``items``, of which up to ``depth`` are made before they are asked for.

    What the making raises is raised where the item would have come. Closing (the end of the
    ``with`` block) ends the thread, also in the middle.
    """

    def __init__(self, items: Iterable[T], depth: int = 2) -> None:
        self._items = items
        self._made: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._make, name="read ahead", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._taken()

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        while self._thread.is_alive():
            with suppress(queue.Empty):
                self._made.get_nowait()  # the thread may wait for room
            self._thread.join(0.01)

    def _make(self) -> None:
        try:
            for item in self._items:
                self._made.put((item, None))
                if self._closed.is_set():
                    return
        except BaseException as error:  # handed to the reader, whatever it is
            self._made.put((None, error))
        else:
            self._made.put((None, StopIteration()))

    def _taken(self) -> Iterator[T]:
        while True:
            item, error = self._made.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield cast("T", item)
