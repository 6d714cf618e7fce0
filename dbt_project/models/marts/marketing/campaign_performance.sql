{%- set periods = ['before', 'during', 'after'] -%}
{%- set groups = ['addressed', 'other'] -%}
{%- set cells = [
    'addressed_before', 'addressed_during', 'addressed_after', 'other_before', 'other_during', 'other_after',
] -%}

with campaigns as (

    select * from {{ ref('dim_campaigns') }}

),

customers as (

    select * from {{ ref('dim_customers') }}
    where is_current

),

campaign_targets as (

    select * from {{ ref('fct_campaign_targets') }}

),

coupon_redemptions as (

    select * from {{ ref('fct_coupon_redemptions') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

sales as (

    select * from {{ ref('fct_sales') }}

),

dates as (

    select * from {{ ref('dim_dates') }}

),

ad_value as (

    select * from {{ ref('fct_ad_value_daily') }}

),

reach as (

    {{ households_addressed('campaign_targets') | indent(4) }}

),

-- First by household, so that counting the rows counts distinct households. A
-- household is a customer's number: keys are of what was known of it at a time.
redeeming_households as (

    select
        coupon_redemptions.campaign_key,
        coupon_redemptions.customer_id,
        campaign_targets.customer_id is not null as was_addressed,
        count(*) as redemptions
    from coupon_redemptions
    left join campaign_targets
        on
            coupon_redemptions.campaign_key = campaign_targets.campaign_key
            and coupon_redemptions.customer_id = campaign_targets.customer_id
    group by
        coupon_redemptions.campaign_key,
        coupon_redemptions.customer_id,
        campaign_targets.customer_id

),

redemption_totals as (

    select
        campaign_key,
        count(*) as households_redeeming,
        sum(case when was_addressed then 1 else 0 end) as addressed_households_redeeming,
        sum(redemptions) as redemptions
    from redeeming_households
    group by campaign_key

),

order_sales as (

    select
        order_id,
        {{ net_sales() }} as sales_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from sales
    group by order_id

),

household_orders as (

    select
        orders.customer_id,
        orders.order_date,
        orders.has_lines,
        order_sales.sales_amount,
        order_sales.coupon_discount
    from orders
    left join order_sales on orders.order_id = order_sales.order_id
    where
        orders.customer_id is not null
        and not orders.is_cancelled

),

-- What addressed households bought from the first day of the campaign to its
-- last, both included. First by household, as above.
buying_households as (

    select
        campaigns.campaign_key,
        campaign_targets.customer_id,
        count(*) as order_count,
        sum(case when household_orders.has_lines then 1 else 0 end) as orders_with_lines,
        {{ net_sales('household_orders.sales_amount') }} as sales_amount,
        {{ total_amount('household_orders.coupon_discount') }} as coupon_discount
    from campaign_targets
    inner join campaigns on campaign_targets.campaign_key = campaigns.campaign_key
    inner join household_orders
        on
            campaign_targets.customer_id = household_orders.customer_id
            and household_orders.order_date between campaigns.start_date and campaigns.end_date
    group by
        campaigns.campaign_key,
        campaign_targets.customer_id

),

sales_totals as (

    select
        campaign_key,
        count(*) as households_buying,
        sum(order_count) as order_count,
        sum(orders_with_lines) as orders_with_lines,
        {{ net_sales() }} as sales_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from buying_households
    group by campaign_key

),

-- As many days before the campaign and after it as it lasts.
windows as (

    select
        campaign_key,
        start_date,
        end_date,
        {{ add_days('-duration_days', 'start_date') }} as first_date,
        {{ add_days('duration_days', 'end_date') }} as last_date
    from campaigns
    where start_date is not null

),

first_orders as (

    select min(order_date) as first_date from orders

),

-- The same households in all three windows, or customers who came meanwhile would
-- look like a change: those that were registered when the first window began.
compared_households as (

    select
        windows.campaign_key,
        customers.customer_id,
        campaign_targets.customer_id is not null as was_addressed
    from windows
    inner join customers on windows.first_date >= customers.registered_on
    left join campaign_targets
        on
            windows.campaign_key = campaign_targets.campaign_key
            and customers.customer_id = campaign_targets.customer_id

),

group_sizes as (

    select
        campaign_key,
        sum(case when was_addressed then 1 else 0 end) as addressed_households,
        sum(case when was_addressed then 0 else 1 end) as other_households
    from compared_households
    group by campaign_key

),

window_days as (

    select
        windows.campaign_key,
        windows.first_date,
        dates.date_day,
        case
            when dates.date_day < windows.start_date then 'before'
            when dates.date_day > windows.end_date then 'after'
            else 'during'
        end as period
    from windows
    inner join dates on dates.date_day between windows.first_date and windows.last_date

),

household_days as (

    select
        household_orders.customer_id,
        customers.registered_on,
        household_orders.order_date,
        {{ net_sales('household_orders.sales_amount') }} as sales_amount
    from household_orders
    inner join customers on household_orders.customer_id = customers.customer_id
    group by
        household_orders.customer_id,
        customers.registered_on,
        household_orders.order_date

),

compared_sales as (

    select
        window_days.campaign_key,
        case when campaign_targets.customer_id is null then 'other_' else 'addressed_' end
        || window_days.period as cell,
        household_days.sales_amount
    from window_days
    inner join household_days
        on
            window_days.date_day = household_days.order_date
            and window_days.first_date >= household_days.registered_on
    left join campaign_targets
        on
            window_days.campaign_key = campaign_targets.campaign_key
            and household_days.customer_id = campaign_targets.customer_id

),

group_sales as (

    select
        campaign_key,
        {% for cell in cells -%}
        {{ total_amount("case when cell = '" ~ cell ~ "' then sales_amount end") }} as {{ cell }},
        {% endfor -%}
        count(*) as buying_days
    from compared_sales
    group by campaign_key

),

-- A window that the orders known cover in part, or not, has no average: what is
-- missing would look like a change.
known_windows as (

    select
        windows.campaign_key,
        windows.start_date < first_orders.first_date as begins_too_early,
        windows.first_date >= first_orders.first_date as knows_before,
        windows.start_date >= first_orders.first_date and windows.end_date <= {{ as_of_date() }} as knows_during,
        windows.start_date >= first_orders.first_date and windows.last_date <= {{ as_of_date() }} as knows_after
    from windows
    cross join first_orders

),

averages as (

    select
        known_windows.campaign_key,
        group_sizes.addressed_households,
        group_sizes.other_households,
        {% for group in groups -%}
        {% for period in periods -%}
        {% set sales, households = group ~ '_' ~ period, group ~ '_households' -%}
        {{ ratio(
            'case when known_windows.knows_' ~ period ~ ' then coalesce(group_sales.' ~ sales ~ ', 0) end',
            'group_sizes.' ~ households
        ) }} as {{ sales }},
        {% endfor -%}
        {% endfor -%}
        case
            when coalesce(group_sizes.addressed_households, 0) = 0 then 'no addressed household was a customer before'
            when coalesce(group_sizes.other_households, 0) = 0 then 'every household was addressed'
            when known_windows.begins_too_early then 'began before the first order known'
            when not known_windows.knows_before then 'the days before it reach back beyond the first order known'
            when not known_windows.knows_during then 'not over'
            when
                group_sizes.addressed_households < {{ smallest_compared_group() }}
                or group_sizes.other_households < {{ smallest_compared_group() }}
                then 'too few households'
            when coalesce(group_sales.other_before, 0) = 0 then 'the others bought nothing before'
        end as not_compared_because
    from known_windows
    left join group_sizes on known_windows.campaign_key = group_sizes.campaign_key
    left join group_sales on known_windows.campaign_key = group_sales.campaign_key

),

-- A day's cost that has no rate makes the sum unknown, not smaller.
ad_totals as (

    select
        campaign_key,
        cast(sum(impressions) as bigint) as ad_impressions,
        cast(sum(clicks) as bigint) as ad_clicks,
        cast(sum(conversions) as bigint) as ad_conversions,
        {{ known_total('cost_amount') }} as ad_cost_amount,
        {{ known_total('conversion_value') }} as ad_conversion_value
    from ad_value
    group by campaign_key

)

select
    campaigns.campaign_key,
    campaigns.campaign_id,
    campaigns.campaign_name,
    campaigns.campaign_type,
    campaigns.start_date,
    campaigns.end_date,
    campaigns.duration_days,
    campaigns.budget_amount,
    campaigns.currency_code as budget_currency_code,
    coalesce(reach.households_addressed, 0) as households_addressed,
    coalesce(redemption_totals.households_redeeming, 0) as households_redeeming,
    cast(coalesce(redemption_totals.redemptions, 0) as bigint) as redemptions,
    {{ redemption_rate(
        'coalesce(redemption_totals.addressed_households_redeeming, 0)',
        'reach.households_addressed'
    ) }} as redemption_rate,
    coalesce(sales_totals.households_buying, 0) as households_buying,
    cast(coalesce(sales_totals.order_count, 0) as bigint) as order_count,
    {{ total_or_zero('sales_totals.coupon_discount') }} as coupon_discount,
    {{ total_or_zero('sales_totals.sales_amount') }} as sales_amount,
    {{ average_order_value('sales_totals.sales_amount', 'sales_totals.orders_with_lines') }} as average_order_value,
    {{ ratio('coalesce(sales_totals.sales_amount, 0)', 'reach.households_addressed') }} as sales_per_household,
    cast(coalesce(averages.addressed_households, 0) as bigint) as compared_households_addressed,
    cast(coalesce(averages.other_households, 0) as bigint) as compared_households_other,
    {% for group in groups -%}
    {% for period in periods -%}
    averages.{{ group }}_{{ period }} as {{ group }}_sales_per_household_{{ period }},
    {% endfor -%}
    {% endfor -%}
    {% for period in ['during', 'after'] -%}
    cast(
        case
            when averages.not_compared_because is null
                then {{ sales_beyond_others(
                    'averages.addressed_before',
                    'averages.addressed_' ~ period,
                    'averages.other_before',
                    'averages.other_' ~ period
                ) | indent(16) }}
        end as numeric(18, 6)
    ) as sales_beyond_others_{{ period }},
    {% endfor -%}
    case
        when averages.campaign_key is null then 'its days are not known'
        else averages.not_compared_because
    end as not_compared_because,
    coalesce(ad_totals.ad_impressions, 0) as ad_impressions,
    coalesce(ad_totals.ad_clicks, 0) as ad_clicks,
    coalesce(ad_totals.ad_conversions, 0) as ad_conversions,
    cast(
        case when ad_totals.campaign_key is null then 0 else ad_totals.ad_cost_amount end as numeric(18, 2)
    ) as ad_cost_amount,
    cast(
        case when ad_totals.campaign_key is null then 0 else ad_totals.ad_conversion_value end as numeric(18, 2)
    ) as ad_conversion_value,
    {{ return_on_ad_spend('ad_totals.ad_conversion_value', 'ad_totals.ad_cost_amount') }} as return_on_ad_spend
from campaigns
left join reach on campaigns.campaign_key = reach.campaign_key
left join redemption_totals on campaigns.campaign_key = redemption_totals.campaign_key
left join sales_totals on campaigns.campaign_key = sales_totals.campaign_key
left join averages on campaigns.campaign_key = averages.campaign_key
left join ad_totals on campaigns.campaign_key = ad_totals.campaign_key
-- The unknown campaign is a row only where facts stand on it.
where
    campaigns.campaign_key <> {{ unknown_key() }}
    or reach.campaign_key is not null
    or redemption_totals.campaign_key is not null
    or ad_totals.campaign_key is not null
