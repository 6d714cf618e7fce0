{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['order_id'],
        indexes=[{'columns': ['order_id']}],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {'source': ['erp', 'returns'], 'key': {'order_id': 'order_id'}},
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

with returns as (

    select * from {{ ref('stg_erp__returns') }}
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

-- Customer and product are those of the order that is returned, so that a return meets its sale.
-- depends_on: {{ ref('int_order_products') }}
select
    returns.return_id,
    returns.order_id,
    coalesce(product_versions.product_key, {{ surrogate_key(['returns.product_id']) | indent(4) }}) as product_key,
    returns.product_id,
    coalesce(orders.customer_key, {{ unknown_key() }}) as customer_key,
    orders.customer_id,
    coalesce(orders.location_key, {{ unknown_key() }}) as location_key,
    orders.location_id,
    orders.channel,
    coalesce(orders.channel_key, {{ unknown_key() }}) as channel_key,
    returns.return_reason,
    returns.currency_code,
    returns.returned_at,
    {{ business_date('returns.returned_at') }} as return_date,
    returns.quantity,
    returns.refund_amount,
    returns.load_id,
    orders.load_id as order_load_id
from returns
left join orders on returns.order_id = orders.order_id
left join product_versions
    on
        returns.product_id = product_versions.product_id
        and orders.ordered_at >= product_versions.valid_from
        and orders.ordered_at < product_versions.valid_to
