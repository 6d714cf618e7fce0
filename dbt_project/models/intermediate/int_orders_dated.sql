with orders as (

    select * from {{ ref('stg_erp__orders') }}

)

select
    order_id,
    {{ surrogate_key(['customer_id']) }} as customer_key,
    customer_id,
    {{ surrogate_key(['location_id']) }} as location_key,
    location_id,
    channel,
    order_status,
    order_status = 'cancelled' as is_cancelled,
    currency_code,
    ordered_at,
    {{ business_date('ordered_at') }} as order_date,
    load_id
from orders
