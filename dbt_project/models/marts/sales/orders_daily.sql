with orders as (

    select * from {{ ref('fct_orders') }}

),

sales as (

    select * from {{ ref('fct_sales') }}

),

locations as (

    select * from {{ ref('dim_locations') }}

),

order_days as (

    select
        order_date,
        location_key,
        channel,
        {{ orders_counted() }} as order_count,
        sum(case when is_cancelled then 1 else 0 end) as cancelled_order_count,
        sum(case when has_lines and not is_cancelled then 1 else 0 end) as orders_with_lines
    from orders
    group by
        order_date,
        location_key,
        channel

),

sales_days as (

    select
        order_date,
        location_key,
        channel,
        {{ total_amount('gross_amount') }} as gross_amount,
        {{ total_amount('discount_amount') }} as discount_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount,
        {{ net_sales() }} as sales_amount
    from sales
    group by
        order_date,
        location_key,
        channel

)

select
    order_days.order_date,
    order_days.location_key,
    locations.location_id,
    locations.location_name,
    locations.region as location_region,
    order_days.channel,
    order_days.order_count,
    order_days.orders_with_lines,
    order_days.cancelled_order_count,
    {{ total_or_zero('sales_days.gross_amount') }} as gross_amount,
    {{ total_or_zero('sales_days.discount_amount') }} as discount_amount,
    {{ total_or_zero('sales_days.coupon_discount') }} as coupon_discount,
    {{ total_or_zero('sales_days.sales_amount') }} as sales_amount,
    {{ average_order_value('sales_days.sales_amount', 'order_days.orders_with_lines') }} as average_order_value
from order_days
inner join locations on order_days.location_key = locations.location_key
left join sales_days
    on
        order_days.order_date = sales_days.order_date
        and order_days.location_key = sales_days.location_key
        and order_days.channel = sales_days.channel
