"""`python -m tests.faults.loading PORT DATABASE TABLE KEY`: loads CSV from its standard input.

A process of its own, so that it can be killed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from loader.database import make_engine
from loader.intake.load import load_stream
from loader.ledger.loads import Origin
from loader.settings import Settings
from tests.intake.lab import CONTRACT


def main(port: str, database: str, table: str, key: str) -> None:
    here = Path.cwd()
    engine = make_engine(Settings(here, here, port=int(port), database=database, host_is_given=True))
    origin = Origin("file", "tester", content_hash=key, idempotency_key=key)
    load_stream(engine, CONTRACT, CONTRACT.table("lab", table), sys.stdin.buffer, "csv", origin)


if __name__ == "__main__":
    main(*sys.argv[1:])
