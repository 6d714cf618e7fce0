-- What advertising cost and what its conversions are worth, is the same in all by
-- campaign and by channel and day. One row if it is not. Unknown in one is unknown in
-- the other: a row without a rate or a value has no place in either sum.
with campaigns as (

    select * from {{ ref('campaign_performance') }}

),

channel_days as (

    select * from {{ ref('channel_performance_daily') }}

),

made as (

    select
        'all' as advertisements,
        sum(ad_conversions) as conversions,
        {{ known_total('ad_cost_amount') }} as cost_amount,
        {{ known_total('ad_conversion_value') }} as conversion_value
    from campaigns

),

expected as (

    select
        'all' as advertisements,
        sum(clicks_with_order) as conversions,
        {{ known_total('ad_cost_amount') }} as cost_amount,
        {{ known_total('conversion_value') }} as conversion_value
    from channel_days

)

{{ rows_that_differ(['advertisements'], ['conversions', 'cost_amount', 'conversion_value']) }}
