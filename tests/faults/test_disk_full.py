"""A disk that fills up while a load writes: nothing is left of it, and it is said what to do.

The server's data lie on a small file system of their own, which is filled until so much is free
as a seed says. When there is room again, the same load ends right.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.conftest import RUN_FOLDER
from tests.faults import books
from tests.faults.bodies import WAYS
from tests.faults.kills import TOO_LATE, afterwards, summary
from tests.faults.place import Command, Place, Upload

pytestmark = pytest.mark.faults
DISK_MB = 320  # a new database asks for 200 that are free
MOST_FREE = 1 << 20
FEW, MANY = 3, int(os.environ.get("KILLS", "60"))


@pytest.fixture(scope="module")
def small_disk() -> Iterator[Path]:
    """A file system in memory; as few may mount one, the test is skipped for others."""
    folder = Path(tempfile.mkdtemp(dir=os.environ[RUN_FOLDER], prefix="disk-"))
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root may mount the small disk")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip(f"the small disk can't be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def place(small_disk: Path) -> Iterator[Place]:
    with Place(Path(tempfile.mkdtemp(dir=os.environ[RUN_FOLDER])), small_disk / "database", web_servers=1) as made:
        yield made


def fill_up(place: Place, ballast: Path, random: Random) -> str:
    way = random.choice(list(WAYS))
    body = place.body(way)
    kind = random.choice([Upload, Upload, Command])
    left = random.randrange(MOST_FREE)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(4096, shutil.disk_usage(ballast.parent).free - left))
    answer = kind(place, body).start().answer()
    ballast.unlink()
    if answer.verdict == "nothing":
        assert "disk is full" in answer.text or "went away" in answer.text, answer
    place.database.start()  # a server that can't write its log ends itself
    left = afterwards(place, random, kind, body, answer)
    return TOO_LATE if answer.verdict == "taken" else left


def fill_up_often(place: Place, small_disk: Path, count: int, note: Callable[[str, object], None]) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(count):
        outcomes[fill_up(place, small_disk / "ballast", Random(f"disk {number}"))] += 1
    books.audit(place.settings)
    assert outcomes["nothing"], "the disk was never full"
    note("kills", summary("disk full", outcomes))


def test_a_disk_is_full_a_few_times(
    place: Place, small_disk: Path, record_property: Callable[[str, object], None]
) -> None:
    fill_up_often(place, small_disk, FEW, record_property)


@pytest.mark.deep
def test_a_disk_is_full_many_times(
    place: Place, small_disk: Path, record_property: Callable[[str, object], None]
) -> None:
    fill_up_often(place, small_disk, MANY, record_property)
