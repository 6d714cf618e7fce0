"""What is read on every call and page stays quick while the ledger grows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from loader.ledger.loads import LISTED, read_receipt
from loader.pages.queries.arrivals import accepted_since
from loader.pages.queries.receipts import caused_by
from loader.permissions import ACTIONS, Principal

MANY = """
insert into ledger.loads (seq, source, table_name, door, principal, status, received, accepted, finished_at)
select n, 'erp', 'orders', 'api', 'system', 'succeeded', 1, 1, now() - n * interval '1 minute'
from generate_series(1, 50000) as n
"""
RELEASES = """
insert into ledger.loads (source, table_name, door, principal, status, cause_load_id)
select 'erp', 'order_lines', 'release', 'gatehouse', 'succeeded', 5 from generate_series(1, 3)
"""
REJECTS = """
insert into ledger.rejects (
    load_id, row, source, table_name, status, rule, message, faults, payload, first_load_id, first_row
)
select l, n, 'a', 'b', 'rejected', 'r', 'm', '[{"value": "v"}]', '{}', l, n
from generate_series(150, 1, -1) as n cross join unnest(array[5, 50002]) as l
"""

EVERYTHING = Principal("ann", frozenset(ACTIONS))


def test_reads_of_a_large_ledger_scan_no_table(engine: sa.Engine) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_: Any, cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        asked.append((statement, parameters))

    with engine.begin() as connection:
        connection.execute(sa.text(MANY))
        connection.execute(sa.text(RELEASES))
        connection.execute(sa.text("analyze ledger.loads"))
    with engine.connect() as connection:
        sa.event.listen(connection, "before_cursor_execute", note)
        assert read_receipt(connection, 5) is not None
        assert len(asked) == 3, "as many questions whatever number of releases"
        assert len(caused_by(connection, EVERYTHING, 5)) == 3
        assert accepted_since(connection, EVERYTHING, datetime.now(UTC) - timedelta(days=1)) == 1439
        sa.event.remove(connection, "before_cursor_execute", note)
        for statement, parameters in list(asked):
            plan = "\n".join(connection.exec_driver_sql(f"explain {statement}", parameters).scalars())
            assert "Seq Scan on loads" not in plan, plan


def test_a_receipt_lists_the_first_rows_of_each_load(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(MANY))
        connection.execute(sa.text(RELEASES))
        connection.execute(sa.text(REJECTS))
    with engine.connect() as connection:
        receipt = read_receipt(connection, 5)
    assert receipt is not None
    assert [release.load_id for release in receipt.releases] == [50001, 50002, 50003]
    for listed in (receipt.rejects, receipt.releases[1].rejects):
        assert [reject.row for reject in listed] == list(range(1, LISTED + 1))
        assert listed[0].value == "v"
    assert receipt.releases[0].rejects == ()
