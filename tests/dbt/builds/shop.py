"""A tiny shop for the tests of builds: a dbt project of its own that takes its macros
from ours, a database with a ledger and two staging tables, and loads written by hand.

The hand writes what the loader writes (mirror, history, a number in ledger.loads), so
that a test can put a load exactly where it hurts: between two models of a build.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from dbt.cli.main import dbtRunner

from loader.settings import Settings

ROOT = Path(__file__).resolve().parents[3]

PROJECT = f"""
name: gatehouse
version: "1.0"
config-version: 2
profile: shop
model-paths: [models]
macro-paths: ["{ROOT}/dbt_project/macros/build", "{ROOT}/dbt_project/macros/rules"]
flags: {{send_anonymous_usage_stats: false, skip_nodes_if_on_run_start_fails: true}}
vars:
  business_timezone: America/New_York
  as_of_source: [erp, orders, ordered_at]
  publish_lock_timeout: 500ms
on-run-start: ["{{{{ open_build() }}}}"]
on-run-end: ["{{{{ close_build(results) }}}}"]
models:
  gatehouse:
    +pre-hook: ["{{{{ enter_build() }}}}"]
    +post-hook: ["{{{{ move_watermark() }}}}"]
"""

PROFILE = """
shop:
  target: default
  outputs:
    default:
      {{type: postgres, host: "{host}", port: {port}, user: "{user}", password: "{password}",
       dbname: "{database}", schema: warehouse, threads: 2}}
"""

MODELS = {
    "sources.yml": """
sources:
  - name: erp
    schema: staging_erp
    loader: gatehouse
    tables:
      - name: orders
        config: {meta: {primary_key: [order_id], load: versions, valid_from: updated_at}}
        columns:
          - {name: order_id, data_type: bigint, data_tests: [unique]}
          - {name: status, data_type: text}
          - {name: ordered_at, data_type: timestamptz}
          - {name: updated_at, data_type: timestamptz}
      - name: order_lines
        config: {meta: {primary_key: [order_id, product_id], load: versions, valid_from: updated_at}}
        columns:
          - name: order_id
            data_type: bigint
            data_tests:
              - relationships: {arguments: {to: "source('erp', 'orders')", field: order_id}}
          - {name: product_id, data_type: bigint}
          - {name: sales_amount, data_type: "numeric(12,2)"}
          - {name: updated_at, data_type: timestamptz}
""",
    "stg_erp__orders.sql": """
{{ config(materialized='view', schema='staging') }}
select * from {{ source_as_of('erp', 'orders') }}
""",
    "stg_erp__order_lines.sql": """
{{ config(materialized='view', schema='staging') }}
select * from {{ source_as_of('erp', 'order_lines') }}
""",
    "fct_orders.sql": """
{{ config(materialized='incremental', incremental_strategy='replace_changed', unique_key='order_id', meta={
    'changed_by': [
        {'source': ['erp', 'orders'], 'key': {'order_id': 'order_id'}},
        {'source': ['erp', 'order_lines'], 'key': {'order_id': 'order_id'}},
    ]
}) }}
select
    orders.order_id,
    orders.status,
    {{ business_date('orders.ordered_at') }} as order_date,
    cast(coalesce(sum(lines.sales_amount), 0) as numeric(14, 2)) as sales_amount
from {{ ref('stg_erp__orders') }} as orders
left join {{ ref('stg_erp__order_lines') }} as lines on lines.order_id = orders.order_id
{% if is_incremental() %} where orders.order_id in (select order_id from {{ changed_keys() }}) {% endif %}
group by 1, 2, 3
""",
    "sales_daily.sql": """
select order_date, count(*) as orders, cast(sum(sales_amount) as numeric(14, 2)) as sales_amount
from {{ ref('fct_orders') }}
group by 1
""",
    "order_list.sql": """
{{ config(materialized='table', schema='mart_operations__build') }}
select status, order_date, {{ as_of_date() }} as as_of from {{ ref('fct_orders') }}
""",
    "marts.yml": """
models:
  - name: sales_daily
    description: What was sold, a day
    config:
      materialized: table
      schema: mart_sales__build
      contract: {enforced: true}
      persist_docs: {relation: true, columns: true}
      indexes: [{columns: [orders]}]
    columns:
      - name: order_date
        data_type: date
        description: The shop's day
        constraints: [{type: not_null}, {type: primary_key}]
      - {name: orders, data_type: bigint, constraints: [{type: not_null}]}
      - name: sales_amount
        data_type: numeric(14,2)
        data_tests:
          - not_null
          - accepted_values: {arguments: {values: [-1], quote: false}, config: {severity: warn}}
  - name: order_list
    columns:
      - name: status
        data_tests:
          - accepted_values: {arguments: {values: [placed, completed, cancelled]}}
""",
}

DATABASE = """
create schema ledger;
create table ledger.loads (load_id bigint generated always as identity primary key, seq bigint unique);
create table ledger.builds (
    build_id bigint generated always as identity primary key, invocation_id text, command text,
    upper_bound bigint not null, as_of date, status text, started_at timestamptz not null default now(),
    finished_at timestamptz, published_at timestamptz, message text
);
create table ledger.build_results (
    build_id bigint not null references ledger.builds, unique_id text, resource_type text, severity text, status text,
    seconds double precision, failures bigint, message text, finished_at timestamptz not null default now(),
    primary key (build_id, unique_id)
);
create table ledger.model_watermarks (
    relation text primary key, seq bigint not null, build_id bigint, moved_at timestamptz not null default now()
);
create table ledger.rejects (
    resolved_load_id bigint, resolved_row bigint, first_load_id bigint not null, first_row bigint not null
);
create schema staging_erp;
create table staging_erp.orders (
    order_id bigint primary key, status text, ordered_at timestamptz, updated_at timestamptz,
    _load_id bigint, _row bigint, _loaded_at timestamptz default now()
);
create table staging_erp.order_lines (
    order_id bigint, product_id bigint, sales_amount numeric(12, 2), updated_at timestamptz,
    _load_id bigint, _row bigint, _loaded_at timestamptz default now(), primary key (order_id, product_id)
);
create table staging_erp.orders__history (
    like staging_erp.orders, _written_load_id bigint, _written_at timestamptz default now(), _reason text
);
create table staging_erp.order_lines__history (
    like staging_erp.order_lines, _written_load_id bigint, _written_at timestamptz default now(), _reason text
);
"""
KEYS = {"orders": ["order_id"], "order_lines": ["order_id", "product_id"]}
COLUMNS = {
    "orders": ["order_id", "status", "ordered_at", "updated_at"],
    "order_lines": ["order_id", "product_id", "sales_amount", "updated_at"],
}


@dataclass
class Outcome:
    """What one dbt call came to: did it succeed, and every line that it said."""

    success: bool
    said: str


@dataclass
class Shop:
    """The project in `folder` on the database of `settings`; `reset` makes both new."""

    folder: Path
    settings: Settings
    # called with the name of each model when it is done, in dbt's own thread
    when_done: Callable[[str], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        self.when_done = None
        self.sql(
            "do $$ declare s text; begin for s in select nspname from pg_namespace where nspname !~ '^(pg_|information)'"
            " loop execute format('drop schema %I cascade', s); end loop; end $$"
        )
        self.sql(DATABASE)
        self.write("dbt_project.yml", PROJECT)
        given = {name: getattr(self.settings, name) for name in ("host", "port", "user", "password", "database")}
        self.write("profiles.yml", PROFILE.format(**given))
        models = self.folder / "models"
        for stray in set(path.name for path in models.glob("*")) - set(MODELS):
            (models / stray).unlink()
        for name, text in MODELS.items():
            self.write(f"models/{name}", text)

    def write(self, name: str, text: str) -> None:
        """A file of the project; an unchanged one is left alone, so that dbt need not parse again."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def connect(self) -> Any:
        given = self.settings
        return psycopg2.connect(
            host=given.host, port=given.port, user=given.user, password=given.password, dbname=given.database
        )

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs and commits; the rows, if the statement has any."""
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def dbt(self, *words: str) -> Outcome:
        said: list[str] = []

        def hear(event: Any) -> None:
            with self._lock:
                said.append(str(event.info.msg))
            if event.info.name == "NodeFinished" and self.when_done:
                self.when_done(event.data.node_info.node_name)

        folder = str(self.folder)
        paths = ["--project-dir", folder, "--profiles-dir", folder, "--no-write-json", "--log-level-file", "none"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = dbtRunner(callbacks=[hear]).invoke(["--quiet", "--no-use-colors", words[0], *paths, *words[1:]])
        said.append(str(result.exception or ""))
        return Outcome(result.success, "\n".join(said))

    def load(self, **tables: list[tuple[Any, ...]]) -> int:
        """One load that brings versions, the last of a key the newest; returns its id."""
        with self.connect() as connection, connection.cursor() as cursor:
            load_id = self._open_load(cursor)
            for table, rows in tables.items():
                for number, values in enumerate(rows, 1):
                    self._to_history(cursor, table, values[: len(KEYS[table])], load_id, "replaced")
                    names = [*COLUMNS[table], "_load_id", "_row"]
                    cursor.execute(
                        f"insert into staging_erp.{table} ({', '.join(names)})"
                        f" values ({', '.join(['%s'] * len(names))})",
                        (*values, load_id, number),
                    )
        connection.close()
        return load_id

    def delete(self, table: str, *keys: tuple[Any, ...]) -> int:
        """One load that deletes keys."""
        with self.connect() as connection, connection.cursor() as cursor:
            load_id = self._open_load(cursor)
            for key in keys:
                self._to_history(cursor, table, key, load_id, "deleted")
        connection.close()
        return load_id

    def _open_load(self, cursor: Any) -> int:
        cursor.execute(
            "insert into ledger.loads (seq) select coalesce(max(seq), 0) + 1 from ledger.loads returning load_id"
        )
        return int(cursor.fetchone()[0])

    def _to_history(self, cursor: Any, table: str, key: tuple[Any, ...], load_id: int, reason: str) -> None:
        same_key = " and ".join(f"{column} = %s" for column in KEYS[table])
        names = ", ".join([*COLUMNS[table], "_load_id", "_row", "_loaded_at"])
        cursor.execute(
            f"with gone as (delete from staging_erp.{table} where {same_key} returning {names})"
            f" insert into staging_erp.{table}__history ({names}, _written_load_id, _reason)"
            f" select {names}, %s, %s from gone",
            (*key, load_id, reason),
        )

    def latest_build(self) -> dict[str, Any]:
        columns = ["build_id", "command", "upper_bound", "as_of", "status", "published_at", "message"]
        rows = self.sql(f"select {', '.join(columns)} from ledger.builds order by build_id desc limit 1")
        return dict(zip(columns, rows[0], strict=True))


def order(order_id: int, status: str = "placed", day: int = 1, hour: int = 12) -> tuple[Any, ...]:
    """An order of June 2017, at an hour of UTC."""
    moment = f"2017-06-{day:02} {hour:02}:00+00"
    return (order_id, status, moment, moment)


def line(order_id: int, product_id: int, amount: float) -> tuple[Any, ...]:
    return (order_id, product_id, amount, "2017-06-01 12:00+00")
