-- orders_daily has the orders of fct_orders on their day, at their location and by
-- their channel. One row a day, location and channel that differs, is missing or
-- is surplus: a mart that was left behind has the right totals on the wrong days.
with made as (

    select * from {{ ref('orders_daily') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

expected as (

    select
        order_date,
        location_key,
        channel,
        count(case when not is_cancelled then order_id end) as order_count,
        count(case when not is_cancelled and has_lines then order_id end) as orders_with_lines,
        count(case when is_cancelled then order_id end) as cancelled_order_count
    from orders
    group by
        order_date,
        location_key,
        channel

)

{{ rows_that_differ(['order_date', 'location_key', 'channel'], [
    'order_count',
    'orders_with_lines',
    'cancelled_order_count',
]) }}
