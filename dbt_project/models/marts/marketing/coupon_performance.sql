with coupons as (

    select * from {{ ref('dim_coupons') }}

),

coupon_products as (

    select * from {{ ref('bridge_coupon_products') }}

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

    {{ households_addressed('campaign_targets') | indent(4) }}

),

-- First by household, so that counting the rows counts distinct households.
redeeming_households as (

    select
        coupon_redemptions.coupon_key,
        coupon_redemptions.customer_id,
        campaign_targets.customer_id is not null as was_addressed,
        count(*) as redemptions,
        min(coupon_redemptions.redeemed_on) as first_redeemed_on,
        max(coupon_redemptions.redeemed_on) as last_redeemed_on
    from coupon_redemptions
    left join campaign_targets
        on
            coupon_redemptions.campaign_key = campaign_targets.campaign_key
            and coupon_redemptions.customer_id = campaign_targets.customer_id
    group by
        coupon_redemptions.coupon_key,
        coupon_redemptions.customer_id,
        campaign_targets.customer_id

),

redemption_totals as (

    select
        coupon_key,
        count(*) as households_redeeming,
        sum(case when was_addressed then 1 else 0 end) as addressed_households_redeeming,
        sum(redemptions) as redemptions,
        min(first_redeemed_on) as first_redeemed_on,
        max(last_redeemed_on) as last_redeemed_on
    from redeeming_households
    group by coupon_key

),

-- The source says who redeemed a coupon on which day, and not in which basket, nor for
-- which product: it is taken for each line of that household and day that is of one of
-- its products and bears a coupon's amount. A coupon may be good for thousands of
-- products, so that the product alone says little.
day_orders as (

    select
        coupon_redemptions.coupon_key,
        coupon_redemptions.customer_id,
        coupon_redemptions.redeemed_on,
        orders.order_id
    from coupon_redemptions
    inner join orders
        on
            coupon_redemptions.customer_id = orders.customer_id
            and coupon_redemptions.redeemed_on = orders.order_date
    where not orders.is_cancelled

),

redeemed_lines as (

    select
        day_orders.coupon_key,
        day_orders.customer_id,
        day_orders.redeemed_on,
        day_orders.order_id,
        {{ units_sold('sales.quantity') }} as units,
        {{ net_sales('sales.sales_amount') }} as sales_amount,
        {{ total_amount('sales.coupon_discount') }} as coupon_discount
    from day_orders
    inner join sales on day_orders.order_id = sales.order_id
    inner join coupon_products
        on
            day_orders.coupon_key = coupon_products.coupon_key
            and sales.product_id = coupon_products.product_id
    where
        sales.coupon_discount <> 0
        or sales.coupon_match_discount <> 0
    group by
        day_orders.coupon_key,
        day_orders.customer_id,
        day_orders.redeemed_on,
        day_orders.order_id

),

found_redemptions as (

    select
        coupon_key,
        customer_id,
        redeemed_on,
        count(*) as order_count,
        {{ units_sold('units') }} as units,
        {{ net_sales() }} as sales_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from redeemed_lines
    group by
        coupon_key,
        customer_id,
        redeemed_on

),

basket_totals as (

    select
        coupon_key,
        count(*) as redemptions_found,
        cast(sum(order_count) as bigint) as order_count,
        {{ units_sold('units') }} as units,
        {{ net_sales() }} as sales_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from found_redemptions
    group by coupon_key

)

select
    coupons.coupon_key,
    coupons.coupon_upc,
    coupons.campaign_key,
    coupons.campaign_id,
    coupons.campaign_name,
    coupons.campaign_type,
    coupons.start_date,
    coupons.end_date,
    coupons.department,
    coupons.product_count,
    coalesce(reach.households_addressed, 0) as households_addressed,
    coalesce(redemption_totals.households_redeeming, 0) as households_redeeming,
    cast(coalesce(redemption_totals.redemptions, 0) as bigint) as redemptions,
    {{ redemption_rate(
        'coalesce(redemption_totals.addressed_households_redeeming, 0)',
        'reach.households_addressed'
    ) }} as redemption_rate,
    redemption_totals.first_redeemed_on,
    redemption_totals.last_redeemed_on,
    coalesce(basket_totals.redemptions_found, 0) as redemptions_found,
    coalesce(basket_totals.order_count, 0) as order_count,
    coalesce(basket_totals.units, 0) as units,
    {{ total_or_zero('basket_totals.sales_amount') }} as sales_amount,
    {{ total_or_zero('basket_totals.coupon_discount') }} as coupon_discount
from coupons
left join reach on coupons.campaign_key = reach.campaign_key
left join redemption_totals on coupons.coupon_key = redemption_totals.coupon_key
left join basket_totals on coupons.coupon_key = basket_totals.coupon_key
-- The unknown coupon is a row only where redemptions stand on it.
where
    coupons.coupon_key <> {{ unknown_key() }}
    or redemption_totals.coupon_key is not null
