{%- set counts = [
    'order_count', 'orders_with_lines', 'visits', 'visits_with_checkout', 'mails_sent', 'mails_opened',
    'mails_clicked', 'impressions', 'clicks', 'clicks_with_order',
] -%}

with channels as (

    select * from {{ ref('dim_channels') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

sales as (

    select * from {{ ref('fct_sales') }}

),

activity as (

    select * from {{ ref('fct_activity') }}

),

email_events as (

    select * from {{ ref('fct_email_events') }}

),

ad_value as (

    select * from {{ ref('fct_ad_value_daily') }}

),

order_days as (

    select
        order_date as activity_date,
        channel_key,
        count(*) as order_count,
        sum(case when has_lines then 1 else 0 end) as orders_with_lines
    from orders
    where not is_cancelled
    group by
        order_date,
        channel_key

),

sales_days as (

    select
        order_date as activity_date,
        channel_key,
        {{ net_sales() }} as sales_amount
    from sales
    group by
        order_date,
        channel_key

),

-- A visit belongs to the day on which it began, whenever it ended.
visits as (

    select
        session_id,
        channel_key,
        min(event_date) as activity_date,
        max(case when event_type = 'checkout' then 1 else 0 end) as has_checkout
    from activity
    group by
        session_id,
        channel_key

),

visit_days as (

    select
        activity_date,
        channel_key,
        count(*) as visits,
        sum(has_checkout) as visits_with_checkout
    from visits
    group by
        activity_date,
        channel_key

),

mail_days as (

    select
        event_date as activity_date,
        channel_key,
        sum(case when event_type = 'sent' then 1 else 0 end) as mails_sent,
        sum(case when event_type = 'opened' then 1 else 0 end) as mails_opened,
        sum(case when event_type = 'clicked' then 1 else 0 end) as mails_clicked
    from email_events
    group by
        event_date,
        channel_key

),

-- A cost that has no rate makes the day's unknown, not smaller.
ad_days as (

    select
        performance_date as activity_date,
        channel_key,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(conversions) as clicks_with_order,
        {{ known_total('cost_amount') }} as ad_cost_amount,
        {{ known_total('conversion_value') }} as conversion_value
    from ad_value
    group by
        performance_date,
        channel_key

),

channel_days as (

    {% for days in ['order_days', 'visit_days', 'mail_days', 'ad_days'] -%}
    select
        activity_date,
        channel_key
    from {{ days }}
    {% if not loop.last -%}
    union distinct
    {% endif -%}
    {%- endfor %}
),

totals as (

    select
        channel_days.activity_date,
        channel_days.channel_key,
        {% for count in counts -%}
        cast(coalesce({{ count }}, 0) as bigint) as {{ count }},
        {% endfor -%}
        {{ total_or_zero('sales_days.sales_amount') }} as sales_amount,
        cast(
            case when ad_days.channel_key is null then 0 else ad_days.ad_cost_amount end as numeric(18, 2)
        ) as ad_cost_amount,
        cast(
            case when ad_days.channel_key is null then 0 else ad_days.conversion_value end as numeric(18, 2)
        ) as conversion_value
    from channel_days
    {% for days in ['order_days', 'sales_days', 'visit_days', 'mail_days', 'ad_days'] -%}
    left join {{ days }}
        on
            channel_days.activity_date = {{ days }}.activity_date
            and channel_days.channel_key = {{ days }}.channel_key
    {% endfor %}
)

select
    totals.activity_date,
    totals.channel_key,
    channels.channel,
    channels.channel_name,
    channels.channel_kind,
    channels.channel_order,
    totals.order_count,
    totals.orders_with_lines,
    totals.sales_amount,
    {{ average_order_value('totals.sales_amount', 'totals.orders_with_lines') }} as average_order_value,
    totals.visits,
    totals.visits_with_checkout,
    totals.mails_sent,
    totals.mails_opened,
    totals.mails_clicked,
    totals.impressions,
    totals.clicks,
    totals.clicks_with_order,
    {{ conversion_rate(
        'totals.visits_with_checkout + totals.clicks_with_order', 'totals.visits + totals.clicks'
    ) }} as conversion_rate,
    totals.ad_cost_amount,
    totals.conversion_value,
    {{ return_on_ad_spend('totals.conversion_value', 'totals.ad_cost_amount') }} as return_on_ad_spend
from totals
inner join channels on totals.channel_key = channels.channel_key
