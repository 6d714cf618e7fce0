"""Files that people brought and have not loaded yet: on this server's disk, each for who brought it.

A file is for one person and one table, and is known by a key that nobody can guess. It goes when
it has been loaded, when the same person has brought :data:`MOST` others since, or when anybody asks for
a file after it has been there for a day.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from loader.contract.model import Table

#: Files that one person may have kept at a time.
MOST = 5
#: How long a file is kept, in seconds.
KEPT_SECONDS = 24 * 3600
#: How long a file may take to arrive on the disk.
_ARRIVING_SECONDS = 3600

_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class KeptFile:
    """A file's ``name`` as it was brought, the SHA-256 of its content as hex, and where it lies."""

    key: str
    name: str
    digest: str
    principal: str
    table: str
    path: Path


class KeptFiles:
    """The files kept in one folder; it is made when the first one comes, and nobody else may look into it."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "imports"

    def keep(self, stream: BinaryIO, name: str, principal: str, table: Table) -> KeptFile:
        """Keep what the stream holds; raises ``OSError`` when the disk has no room for it, and keeps nothing."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clear()
        self._make_room(principal)
        key = secrets.token_hex(16)
        body = self._folder / f"{key}.body"
        try:
            with body.open("xb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
            with body.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            kept = {"name": name, "digest": digest, "principal": principal, "table": table.id}
            part = self._folder / f"{key}.part"
            part.write_text(json.dumps(kept), "utf-8")
            part.replace(self._folder / f"{key}.json")  # from here on the file is there, whole
        except BaseException:
            self._remove(key)
            raise
        return KeptFile(key, name, digest, principal, table.id, body)

    def find(self, key: str, principal: str, table: Table) -> KeptFile | None:
        """The file of that key, if this person brought it for this table and it is there still."""
        if not _KEY.fullmatch(key):
            return None
        self._clear()
        found = self._read(key)
        if found is None or (found.principal, found.table) != (principal, table.id):
            return None
        return found

    def drop(self, kept: KeptFile) -> None:
        """Forget the file; no matter if it has gone already."""
        self._remove(kept.key)

    def _read(self, key: str) -> KeptFile | None:
        try:
            told = json.loads((self._folder / f"{key}.json").read_text("utf-8"))
            return KeptFile(key, path=self._folder / f"{key}.body", **told)
        except (OSError, ValueError, TypeError):
            return None

    def _clear(self) -> None:
        """Take away what is too old, also of a process that ended before it had kept the whole of it."""
        with suppress(OSError):  # there may be no folder, and another thread may clear, too
            for path in list(self._folder.iterdir()):
                with suppress(OSError):
                    age = time.time() - path.stat().st_mtime
                    is_orphan = path.suffix != ".json" and not path.with_suffix(".json").exists()
                    if age > (_ARRIVING_SECONDS if is_orphan else KEPT_SECONDS):
                        path.unlink()

    def _make_room(self, principal: str) -> None:
        own = []
        for path in self._folder.glob("*.json"):
            with suppress(OSError):
                if (found := self._read(path.stem)) and found.principal == principal:
                    own.append((path.stat().st_mtime, path.stem))
        for _, key in sorted(own, reverse=True)[MOST - 1 :]:
            self._remove(key)

    def _remove(self, key: str) -> None:
        for suffix in ("json", "part", "body"):
            with suppress(OSError):
                (self._folder / f"{key}.{suffix}").unlink()
