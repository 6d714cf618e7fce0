with orders as (

    select * from {{ ref('int_orders_dated') }}

)

select
    customer_id,
    min(order_date) as first_order_date,
    max(order_date) as last_order_date,
    count(*) as order_count
from orders
where
    customer_id is not null
    and not is_cancelled
group by customer_id
