{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['order_id'],
        indexes=[{'columns': ['order_id']}],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {'source': ['erp', 'order_lines'], 'key': {'order_id': 'order_id'}},
                {'source': ['erp', 'orders'], 'key': {'order_id': 'order_id'}},
                {
                    'versions_of': 'dim_customers',
                    'through': 'int_orders_dated',
                    'at': 'ordered_at',
                    'key': ['order_id'],
                },
                {
                    'versions_of': 'dim_products',
                    'through': 'int_order_products',
                    'at': 'ordered_at',
                    'key': ['order_id'],
                },
            ]
        }
    )
}}

with order_lines as (

    select * from {{ ref('int_order_lines_priced') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

orders as (

    select * from {{ ref('int_orders_dated') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

product_versions as (

    select * from {{ ref('int_product_versions') }}

)

-- depends_on: {{ ref('int_order_products') }}
select
    order_lines.order_id,
    coalesce(product_versions.product_key, order_lines.product_key) as product_key,
    order_lines.product_id,
    coalesce(orders.customer_key, {{ unknown_key() }}) as customer_key,
    orders.customer_id,
    coalesce(orders.location_key, {{ unknown_key() }}) as location_key,
    orders.location_id,
    orders.channel,
    coalesce(orders.channel_key, {{ unknown_key() }}) as channel_key,
    orders.order_status,
    coalesce(orders.is_cancelled, false) as is_cancelled,
    orders.currency_code,
    orders.ordered_at,
    orders.order_date,
    order_lines.quantity,
    order_lines.sales_amount,
    order_lines.retail_discount,
    order_lines.coupon_discount,
    order_lines.coupon_match_discount,
    order_lines.gross_amount,
    order_lines.discount_amount,
    order_lines.load_id,
    orders.load_id as order_load_id
from order_lines
left join orders on order_lines.order_id = orders.order_id
left join product_versions
    on
        order_lines.product_id = product_versions.product_id
        and orders.ordered_at >= product_versions.valid_from
        and orders.ordered_at < product_versions.valid_to
