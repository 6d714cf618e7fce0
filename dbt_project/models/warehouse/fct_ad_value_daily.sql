with ad_performance as (

    select * from {{ ref('fct_ad_performance_daily') }}

),

channels as (

    select * from {{ ref('dim_channels') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

sales as (

    select * from {{ ref('fct_sales') }}

),

online_orders as (

    select
        orders.order_id,
        orders.order_date
    from orders
    inner join channels on orders.channel_key = channels.channel_key
    where
        channels.channel_kind = 'online'
        and orders.has_lines
        and not orders.is_cancelled

),

-- First by order: an order has several lines.
order_sales as (

    select
        online_orders.order_id,
        online_orders.order_date,
        {{ net_sales('sales.sales_amount') }} as sales_amount
    from online_orders
    inner join sales on online_orders.order_id = sales.order_id
    group by
        online_orders.order_id,
        online_orders.order_date

),

order_days as (

    select
        order_date,
        {{ average_order_value('sum(sales_amount)', 'count(*)') }} as order_value
    from order_sales
    group by order_date

)

select
    ad_performance.campaign_key,
    ad_performance.campaign_id,
    ad_performance.channel_key,
    ad_performance.ad_channel,
    ad_performance.performance_date,
    ad_performance.impressions,
    ad_performance.clicks,
    ad_performance.conversions,
    ad_performance.base_cost_amount as cost_amount,
    order_days.order_value,
    {{ conversion_value('ad_performance.conversions', 'order_days.order_value') | indent(4) }} as conversion_value
from ad_performance
left join order_days on ad_performance.performance_date = order_days.order_date
