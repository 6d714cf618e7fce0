"""Processes killed for real, at moments drawn from a seed, while loads of every way go on.

After each: every load accounts for its rows, what was acknowledged is there once, what was not left
nothing or is there whole, and a retry ends right. (Invariants 1 and 2.) `KILLS=200` says how many
of each kind the deep test makes.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.conftest import RUN_FOLDER
from tests.faults.kills import KINDS, hang_up, summary
from tests.faults.place import Place

pytestmark = pytest.mark.faults
FEW, MANY = 2, int(os.environ.get("KILLS", "60"))


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with Place(Path(tempfile.mkdtemp(dir=os.environ[RUN_FOLDER]))) as made:
        yield made


def kill(place: Place, kind: str, count: int, note: Callable[[str, object], None]) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for number in range(count):
        random = Random(f"{kind} {number}")
        try:
            outcomes[KINDS[kind](place, random)] += 1
        except AssertionError as error:
            raise AssertionError(f"{kind}, number {number}: {error}") from error
    note("kills", summary(kind, outcomes))
    return outcomes


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_kills(place: Place, kind: str, record_property: Callable[[str, object], None]) -> None:
    kill(place, kind, FEW, record_property)


@pytest.mark.deep
@pytest.mark.parametrize("kind", KINDS)
def test_many_kills(place: Place, kind: str, record_property: Callable[[str, object], None]) -> None:
    outcomes = kill(place, kind, MANY, record_property)
    # a load whose client goes away with its whole body sent comes to its end
    left = "whole" if KINDS[kind] is hang_up else "nothing"
    assert outcomes[left], "no kill has hit a load at work"
