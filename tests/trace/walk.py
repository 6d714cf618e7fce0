"""Walks rows of every mart of a real build back to the loads they came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from loader.contract.model import Contract
from loader.trace.follow import trace
from loader.trace.models import Models

ROWS = 3
UNKNOWN = "-1"


def walk_every_mart(engine: sa.Engine, contract: Contract, target: Path) -> None:
    """Some rows of each mart, taken by chance that is the same every time."""
    marts = [model for model in Models.of(target).by_id.values() if model.schema.startswith("mart_")]
    assert len(marts) == 21
    for mart in marts:
        columns = ", ".join(f"{name}::text" for name in mart.key)
        query = f"select {columns} from {mart.relation} as mart order by md5(mart::text) limit {ROWS}"
        with engine.connect() as connection:
            rows: list[Any] = list(connection.exec_driver_sql(query).all())
        assert rows, f"{mart.id} is empty: nothing is proved"
        reached = 0
        for row in rows:
            if UNKNOWN in row:  # the unknown member is of no record
                continue
            values: dict[str, str] = {name: value or "" for name, value in zip(mart.key, row, strict=True)}
            found = trace(engine, contract, target, mart.id, values)
            assert found[0].rows == 1, (mart.id, values)
            loads = [load for one in found for load in one.loads]
            reached += bool(loads)
            assert all(load.principal and load.door for load in loads)
            for one in found:
                assert one.rows or one.states or one is not found[0]
                assert sum(one.states.values()) >= one.rows or not one.states
        # one or the other may be about nothing, as a table that no load was of on a day
        assert reached, f"no row of {mart.id} comes from a load"


def count_by_hand(engine: sa.Engine, contract: Contract, target: Path) -> None:
    """The day and department that sold most: as many lines as plain SQL finds, all of one file."""
    query = """
        select mart.order_date::text, mart.location_key::text, mart.channel, mart.department,
            (
                select count(*) from warehouse.fct_sales as sales
                inner join warehouse.dim_products as products on products.product_key = sales.product_key
                where sales.order_date = mart.order_date and sales.location_key = mart.location_key
                    and sales.channel = mart.channel and products.department = mart.department
            ) as lines
        from mart_sales.sales_daily as mart order by sales_amount desc, order_date limit 1
    """
    with engine.connect() as connection:
        row: Any = connection.exec_driver_sql(query).one()
    *key, lines = row
    values = dict(zip(("order_date", "location_key", "channel", "department"), key, strict=True))
    found = {one.table: one for one in trace(engine, contract, target, "mart_sales.sales_daily", values)}
    assert lines > 1
    assert found["warehouse.fct_sales"].rows == lines
    assert found["warehouse.fct_order_lines"].rows == lines
    assert found["staging_erp.order_lines"].rows == lines
    loads = found["staging_erp.order_lines"].loads
    assert sum(load.rows for load in loads) >= lines
    assert "order_lines.parquet" in {load.file_name for load in loads}
