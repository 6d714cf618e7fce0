with orders as (

    select * from {{ ref('stg_erp__orders') }}

),

customer_versions as (

    select * from {{ ref('int_customer_versions') }}

)

-- The customer as they were when they ordered; one that was not sent has the key of its number.
select
    orders.order_id,
    coalesce(customer_versions.customer_key, {{ surrogate_key(['orders.customer_id']) | indent(4) }}) as customer_key,
    orders.customer_id,
    {{ surrogate_key(['orders.location_id']) }} as location_key,
    orders.location_id,
    orders.channel,
    {{ surrogate_key(['orders.channel']) }} as channel_key,
    orders.order_status,
    orders.order_status = 'cancelled' as is_cancelled,
    orders.currency_code,
    orders.ordered_at,
    {{ business_date('orders.ordered_at') }} as order_date,
    orders.load_id
from orders
left join customer_versions
    on
        orders.customer_id = customer_versions.customer_id
        and orders.ordered_at >= customer_versions.valid_from
        and orders.ordered_at < customer_versions.valid_to
