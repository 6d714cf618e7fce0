"""The files of the tiny shop's dbt project, and its staging tables as the loader would make them."""

from __future__ import annotations

from pathlib import Path

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
    +post-hook: ["{{{{ leave_build() }}}}"]
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
from (
    select * from {{ ref('stg_erp__orders') }} {% if is_incremental() %} where {{ is_changed() }} {% endif %}
) as orders
left join {{ ref('stg_erp__order_lines') }} as lines on lines.order_id = orders.order_id
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

STAGING = """
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
