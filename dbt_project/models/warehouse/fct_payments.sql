{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['order_id'],
        indexes=[{'columns': ['order_id']}],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {'source': ['erp', 'payments'], 'key': {'order_id': 'order_id'}},
                {'source': ['erp', 'orders'], 'key': {'order_id': 'order_id'}},
                {
                    'versions_of': 'dim_customers',
                    'through': 'int_orders_dated',
                    'at': 'ordered_at',
                    'key': ['order_id'],
                },
            ]
        }
    )
}}

with payments as (

    select * from {{ ref('stg_erp__payments') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

orders as (

    select * from {{ ref('int_orders_dated') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

)

select
    payments.payment_id,
    payments.order_id,
    coalesce(orders.customer_key, {{ unknown_key() }}) as customer_key,
    orders.customer_id,
    coalesce(orders.location_key, {{ unknown_key() }}) as location_key,
    orders.location_id,
    orders.channel,
    coalesce(orders.channel_key, {{ unknown_key() }}) as channel_key,
    payments.payment_method,
    payments.payment_status,
    payments.currency_code,
    payments.paid_at,
    {{ business_date('payments.paid_at') }} as payment_date,
    payments.amount,
    cast(
        case payments.payment_status
            when 'captured' then payments.amount
            when 'refunded' then -payments.amount
            else 0
        end as numeric(18, 2)
    ) as net_amount,
    payments.load_id,
    orders.load_id as order_load_id
from payments
left join orders on payments.order_id = orders.order_id
