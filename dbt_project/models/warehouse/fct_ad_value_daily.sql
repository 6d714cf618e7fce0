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
        count(*) as orders_with_lines,
        {{ net_sales() }} as sales_amount
    from order_sales
    group by order_date

),

first_window as (

    select {{ add_days(order_value_days() ~ ' - 1', 'min(order_date)') }} as last_date from order_days

),

-- Advertising may be older than the first order known: its days are valued by the first window.
windows as (

    select distinct
        ad_performance.performance_date,
        case
            when ad_performance.performance_date < first_window.last_date then first_window.last_date
            else ad_performance.performance_date
        end as last_date
    from ad_performance
    cross join first_window

),

order_values as (

    select
        windows.performance_date,
        {{ average_order_value('sum(order_days.sales_amount)', 'sum(order_days.orders_with_lines)') }} as order_value
    from windows
    inner join order_days
        on
            order_days.order_date > {{ add_days('-' ~ order_value_days(), 'windows.last_date') }}
            and windows.last_date >= order_days.order_date
    group by windows.performance_date

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
    order_values.order_value,
    {{ conversion_value('ad_performance.conversions', 'order_values.order_value') | indent(4) }} as conversion_value
from ad_performance
left join order_values on ad_performance.performance_date = order_values.performance_date
