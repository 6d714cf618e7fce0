with campaigns as (

    select * from {{ ref('dim_campaigns') }}

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

reach as (

    select
        campaign_key,
        count(*) as households_addressed
    from campaign_targets
    group by campaign_key

),

-- First by household, so that counting the rows counts distinct households.
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
        {{ units_sold() }} as units,
        {{ net_sales() }} as sales_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from sales
    group by order_id

),

-- What addressed households bought from the first day of the campaign to its
-- last, both included. First by household, as above.
buying_households as (

    select
        campaigns.campaign_key,
        campaign_targets.customer_id,
        count(*) as order_count,
        sum(case when orders.has_lines then 1 else 0 end) as orders_with_lines,
        {{ units_sold('order_sales.units') }} as units,
        {{ net_sales('order_sales.sales_amount') }} as sales_amount,
        {{ total_amount('order_sales.coupon_discount') }} as coupon_discount
    from campaign_targets
    inner join campaigns on campaign_targets.campaign_key = campaigns.campaign_key
    inner join orders
        on
            campaign_targets.customer_id = orders.customer_id
            and orders.order_date between campaigns.start_date and campaigns.end_date
            and not orders.is_cancelled
    left join order_sales on orders.order_id = order_sales.order_id
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
        {{ units_sold('units') }} as units,
        {{ net_sales() }} as sales_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from buying_households
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
    coalesce(sales_totals.units, 0) as units,
    {{ total_or_zero('sales_totals.coupon_discount') }} as coupon_discount,
    {{ total_or_zero('sales_totals.sales_amount') }} as sales_amount,
    {{ average_order_value('sales_totals.sales_amount', 'sales_totals.orders_with_lines') }} as average_order_value,
    {{ ratio('coalesce(sales_totals.sales_amount, 0)', 'reach.households_addressed') }} as sales_per_household
from campaigns
left join reach on campaigns.campaign_key = reach.campaign_key
left join redemption_totals on campaigns.campaign_key = redemption_totals.campaign_key
left join sales_totals on campaigns.campaign_key = sales_totals.campaign_key
-- The unknown campaign is a row only where facts stand on it.
where
    campaigns.campaign_key <> {{ unknown_key() }}
    or reach.campaign_key is not null
    or redemption_totals.campaign_key is not null
