"""What was written and what the door should say of it: loads.json and faults.json.

loads.json is written last and under another name first, so that it stands only
beside files that are all whole.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from examples.shop.columns import schema
from examples.shop.files import TableFile
from examples.shop.progress import Report

# Changes whenever the same parameters give another file of the same name: it is part of every key.
GENERATOR_VERSION = 2
# Changes whenever there are more or fewer files: a folder of others is made again, and what it had keeps its keys.
FILES_VERSION = 2
PROMOTIONS = "marketing.promotions"


@dataclass(frozen=True)
class Parameters:
    scale: float
    seed: int
    promotions: str

    def key(self, table: str, file: str) -> str:
        """Names what is in a file. Only the promotions depend on which of them were asked for: any
        other file keeps its key, and is not loaded again, when a shop gets more of them."""
        promotions = self.promotions if table == PROMOTIONS else "any"
        return f"shop-v{GENERATOR_VERSION}-scale{self.scale}-seed{self.seed}-promotions-{promotions}-{file}"

    def as_json(self) -> dict[str, Any]:
        return {"generator_version": GENERATOR_VERSION, "files_version": FILES_VERSION, **asdict(self)}


@dataclass(frozen=True)
class Load:
    """One file to be loaded. `key` is what to send as Idempotency-Key; `note` says what the file is."""

    table: str
    file: str
    rows: int
    key: str
    note: str


@dataclass(frozen=True)
class Kind:
    """One kind of fault or of life in a file.

    `verdict` is what the door says of these rows: accepted, rejected, waiting or
    duplicate. `where` holds their positions in the file, from 1, where they are few.
    """

    kind: str
    verdict: str
    rows: int
    where: tuple[int, ...] = ()


@dataclass(frozen=True)
class Verdicts:
    """What a receipt should say when the files are loaded in order into empty tables."""

    received: int
    accepted: int
    waiting: int
    rejected: int
    duplicates: int

    @classmethod
    def of(cls, rows: int, kinds: tuple[Kind, ...]) -> "Verdicts":
        count = {verdict: sum(kind.rows for kind in kinds if kind.verdict == verdict)
                 for verdict in ("waiting", "rejected", "duplicate")}  # fmt: skip
        return cls(rows, rows - sum(count.values()), count["waiting"], count["rejected"], count["duplicate"])


class Manifest:
    """Collects the files of one folder in the order in which they are to be loaded."""

    def __init__(self, folder: Path, parameters: Parameters, report: Report):
        self.folder = folder
        self.parameters = parameters
        self.report = report
        self.loads: list[Load] = []
        self._verdicts: dict[str, dict[str, Any]] = {}

    @contextmanager
    def file(self, table: str, name: str) -> Iterator[TableFile]:
        """Opens one file for rows of `table`. `note` has to be called after it."""
        with TableFile(self.folder / name, schema(table)) as opened:
            yield opened

    def note(self, table: str, opened: TableFile, note: str, *kinds: Kind) -> None:
        """Enters a file that is written: what it is, and which of its rows are not simply let in."""
        kinds = tuple(kind for kind in kinds if kind.rows)
        counted = "; ".join(f"{kind.rows:,} {kind.kind} ({kind.verdict})" for kind in kinds)
        self.loads.append(
            Load(
                table=table,
                file=opened.path.name,
                rows=opened.rows,
                key=self.parameters.key(table, opened.path.name),
                note=f"{note}: {counted}" if counted else note,
            )
        )
        self._verdicts[opened.path.name] = {
            "table": table,
            "expected": asdict(Verdicts.of(opened.rows, kinds)),
            "kinds": [asdict(kind) for kind in kinds],
        }

    def finish(self, figures: dict[str, Any]) -> list[Load]:
        """Writes faults.json, then loads.json; from then on the folder is whole."""
        faults = {"parameters": self.parameters.as_json(), "files": self._verdicts, "figures": figures}
        write_json(self.folder / "faults.json", faults)
        write_json(self.folder / "loads.json", [asdict(load) for load in self.loads])
        return self.loads


def write_json(path: Path, content: dict[str, Any] | list[dict[str, Any]]) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def standing(folder: Path, parameters: Parameters) -> list[Load] | None:
    """The loads of a folder that already holds these parameters whole; else None."""
    loads = read_loads(folder)
    if not loads or not all((folder / name).is_file() for name in [load.file for load in loads] + ["faults.json"]):
        return None
    faults = json.loads((folder / "faults.json").read_text(encoding="utf-8"))
    return loads if faults["parameters"] == parameters.as_json() else None


def clear(folder: Path) -> None:
    """Takes away what an earlier run wrote, loads.json first, and nothing else."""
    loads = read_loads(folder)
    (folder / "loads.json").unlink(missing_ok=True)
    for name in [load.file for load in loads] + ["faults.json"]:
        (folder / name).unlink(missing_ok=True)


def read_loads(folder: Path) -> list[Load]:
    """The loads that a folder's loads.json names; none when there is no such file.

    Raises ValueError when the file is somebody else's, so that nothing of theirs is overwritten.
    """
    path = folder / "loads.json"
    if not path.is_file():
        return []
    try:
        loads = [Load(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} was not written by the demonstration shop; choose another folder") from error
    if any(Path(load.file).name != load.file for load in loads):
        raise ValueError(f"{path} names files outside its folder; choose another folder")
    return loads
