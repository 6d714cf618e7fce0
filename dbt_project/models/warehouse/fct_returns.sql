{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['order_id'],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {'source': ['erp', 'returns'], 'key': {'order_id': 'order_id'}},
                {'source': ['erp', 'orders'], 'key': {'order_id': 'order_id'}},
            ]
        }
    )
}}

with returns as (

    select * from {{ ref('stg_erp__returns') }}
    {% if is_incremental() %}
    where order_id in (select changed_keys.order_id from {{ changed_keys() }} as changed_keys)
    {% endif %}

),

orders as (

    select * from {{ ref('int_orders_dated') }}
    {% if is_incremental() %}
    where order_id in (select changed_keys.order_id from {{ changed_keys() }} as changed_keys)
    {% endif %}

)

select
    returns.return_id,
    returns.order_id,
    {{ surrogate_key(['returns.product_id']) }} as product_key,
    returns.product_id,
    coalesce(orders.customer_key, {{ unknown_key() }}) as customer_key,
    orders.customer_id,
    coalesce(orders.location_key, {{ unknown_key() }}) as location_key,
    orders.location_id,
    orders.channel,
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
