with orders as (

    select * from {{ ref('fct_orders') }}

),

locations as (

    select * from {{ ref('dim_locations') }}

),

order_days as (

    select
        order_date,
        location_key,
        channel,
        count(*) as order_count,
        sum(case when has_lines then 1 else 0 end) as orders_with_lines,
        {{ units_sold('units') }} as units,
        {{ total_amount('gross_amount') }} as gross_amount,
        {{ total_amount('discount_amount') }} as discount_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount,
        {{ net_sales() }} as sales_amount
    from orders
    group by
        order_date,
        location_key,
        channel

)

select
    order_days.order_date,
    locations.location_id,
    locations.location_name,
    locations.region as location_region,
    order_days.channel,
    order_days.order_count,
    order_days.orders_with_lines,
    order_days.units,
    order_days.gross_amount,
    order_days.discount_amount,
    order_days.coupon_discount,
    order_days.sales_amount,
    {{ average_order_value('order_days.sales_amount', 'order_days.orders_with_lines') }} as average_order_value
from order_days
inner join locations on order_days.location_key = locations.location_key
