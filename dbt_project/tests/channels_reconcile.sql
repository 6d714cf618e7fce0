-- By day and channel, channel_performance_daily has the orders and sales of
-- orders_daily, the visits of the audit trail, the mails of the mail service and what
-- the agencies sent. One row a day and channel that differs, is missing or is surplus.
{% set measures = [
    'order_count',
    'sales_amount',
    'visits',
    'mails_sent',
    'impressions',
    'clicks',
    'clicks_with_order',
] %}

with shown as (

    select * from {{ ref('channel_performance_daily') }}

),

orders_daily as (

    select * from {{ ref('orders_daily') }}

),

activity_events as (

    select * from {{ ref('fct_activity') }}

),

email_events as (

    select * from {{ ref('stg_marketing__email_events') }}

),

ad_performance as (

    select * from {{ ref('stg_marketing__ad_performance') }}

),

visits as (

    select
        session_id,
        channel,
        min(event_date) as activity_date
    from activity_events
    group by
        session_id,
        channel

),

known as (

    select
        order_date as activity_date,
        channel,
        order_count,
        sales_amount,
        0 as visits,
        0 as mails_sent,
        0 as impressions,
        0 as clicks,
        0 as clicks_with_order
    from orders_daily

    union all

    select
        activity_date,
        channel,
        0 as order_count,
        0 as sales_amount,
        1 as visits,
        0 as mails_sent,
        0 as impressions,
        0 as clicks,
        0 as clicks_with_order
    from visits

    union all

    select
        {{ business_date('occurred_at') }} as activity_date,
        'email' as channel,
        0 as order_count,
        0 as sales_amount,
        0 as visits,
        case when event_type = 'sent' then 1 else 0 end as mails_sent,
        0 as impressions,
        0 as clicks,
        0 as clicks_with_order
    from email_events

    union all

    select
        performance_date as activity_date,
        ad_channel as channel,
        0 as order_count,
        0 as sales_amount,
        0 as visits,
        0 as mails_sent,
        impressions,
        clicks,
        conversions as clicks_with_order
    from ad_performance

),

-- A day with nothing but cancelled orders is a row of orders_daily and none of channels.
made as (

    select
        activity_date,
        channel,
        {{ measures | join(',\n        ') }}
    from shown
    where channel is not null

),

totals as (

    select
        activity_date,
        channel,
        count(*) as known_rows,
        {% for measure in measures -%}
        sum({{ measure }}) as {{ measure }},
        {% endfor -%}
        sum(case when order_count = 0 and visits + mails_sent + impressions + clicks = 0 then 1 else 0 end) as idle_rows
    from known
    where channel is not null
    group by
        activity_date,
        channel

),

expected as (

    select
        totals.activity_date,
        totals.channel,
        totals.{{ measures | join(',\n        totals.') }}
    from totals
    left join made
        on
            totals.activity_date = made.activity_date
            and totals.channel = made.channel
    where
        made.channel is not null
        or totals.idle_rows < totals.known_rows

)

{{ rows_that_differ(['activity_date', 'channel'], measures) }}
