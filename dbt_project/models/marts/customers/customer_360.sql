with customers as (

    select * from {{ ref('dim_customers') }}
    where is_current

),

products as (

    select * from {{ ref('dim_products') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

sales as (

    select * from {{ ref('fct_sales') }}

),

campaign_targets as (

    select * from {{ ref('fct_campaign_targets') }}

),

coupon_redemptions as (

    select * from {{ ref('fct_coupon_redemptions') }}

),

order_totals as (

    select
        {{ surrogate_key(['customer_id']) }} as customer_durable_key,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        count(distinct order_date) as days_with_orders,
        {{ orders_counted() }} as order_count,
        sum(case when has_lines then 1 else 0 end) as orders_with_lines
    from orders
    where not is_cancelled
    group by customer_id

),

category_totals as (

    select
        {{ surrogate_key(['sales.customer_id']) }} as customer_durable_key,
        products.category,
        {{ total_amount('sales.gross_amount') }} as gross_amount,
        {{ total_amount('sales.discount_amount') }} as discount_amount,
        {{ total_amount('sales.coupon_discount') }} as coupon_discount,
        {{ net_sales('sales.sales_amount') }} as sales_amount
    from sales
    inner join products on sales.product_key = products.product_key
    group by
        sales.customer_id,
        products.category

),

sales_totals as (

    select
        customer_durable_key,
        {{ total_amount('gross_amount') }} as gross_amount,
        {{ total_amount('discount_amount') }} as discount_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount,
        {{ net_sales() }} as sales_amount
    from category_totals
    group by customer_durable_key

),

-- Of equals the first by name, so that every build picks the same.
ranked_categories as (

    select
        customer_durable_key,
        category,
        row_number() over (
            partition by customer_durable_key
            order by sales_amount desc nulls last, category asc nulls last
        ) as sales_rank
    from category_totals
    where
        sales_amount > 0
        and category <> 'Unknown'

),

target_totals as (

    select
        {{ surrogate_key(['customer_id']) }} as customer_durable_key,
        count(*) as campaigns_addressed
    from campaign_targets
    group by customer_id

),

-- First by campaign, so that counting the rows counts distinct campaigns.
redeemed_campaigns as (

    select
        {{ surrogate_key(['customer_id']) }} as customer_durable_key,
        campaign_key,
        count(*) as redemptions,
        max(redeemed_on) as last_redeemed_on
    from coupon_redemptions
    group by
        customer_id,
        campaign_key

),

redemption_totals as (

    select
        customer_durable_key,
        count(*) as campaigns_redeemed,
        sum(redemptions) as redemptions,
        max(last_redeemed_on) as last_redeemed_on
    from redeemed_campaigns
    group by customer_durable_key

),

buyers as (

    select
        order_totals.customer_durable_key,
        order_totals.order_count,
        {{ days_between('order_totals.last_order_date', as_of_date()) }} as recency_days,
        {{ days_between('order_totals.first_order_date', 'order_totals.last_order_date') }} as days_of_orders,
        order_totals.days_with_orders,
        {{ total_or_zero('sales_totals.sales_amount') }} as sales_amount
    from order_totals
    left join sales_totals on order_totals.customer_durable_key = sales_totals.customer_durable_key
    where order_totals.customer_durable_key <> {{ unknown_key() }}

),

scores as (

    select
        customer_durable_key,
        {{ fifth('-recency_days') }} as recency_score,
        {{ fifth('order_count') }} as frequency_score,
        {{ fifth('sales_amount') }} as monetary_score
    from buyers

),

-- Of fewer than three days with orders there is no rhythm to be told.
rhythms as (

    select
        customer_durable_key,
        cast({{ quotient('days_of_orders', 'days_with_orders - 1') }} as numeric(9, 2)) as mean_days_between_orders,
        cast({{ quotient(
            'recency_days * (days_with_orders - 1)', 'days_of_orders'
        ) }} as numeric(18, 2)) as overdue_ratio
    from buyers
    where days_with_orders >= 3

)

select
    customers.customer_durable_key as customer_key,
    customers.customer_id,
    customers.customer_status,
    customers.marketing_consent,
    customers.age_band,
    customers.age_band_order,
    customers.income_band,
    customers.income_band_order,
    customers.home_ownership,
    customers.marital_status,
    customers.household_size,
    customers.household_composition,
    customers.kids_count,
    customers.home_city,
    customers.home_region,
    customers.home_country_code,
    customers.registered_on,
    {{ as_of_date() }} as as_of_date,
    order_totals.first_order_date,
    order_totals.last_order_date,
    {{ days_between('order_totals.last_order_date', as_of_date()) }} as recency_days,
    {{ is_active_customer(days_between('order_totals.last_order_date', as_of_date())) }} as is_active,
    coalesce(order_totals.order_count, 0) as order_count,
    cast(coalesce(order_totals.orders_with_lines, 0) as bigint) as orders_with_lines,
    {{ total_or_zero('sales_totals.gross_amount') }} as gross_amount,
    {{ total_or_zero('sales_totals.discount_amount') }} as discount_amount,
    {{ total_or_zero('sales_totals.coupon_discount') }} as coupon_discount,
    {{ total_or_zero('sales_totals.sales_amount') }} as sales_amount,
    {{ average_order_value('sales_totals.sales_amount', 'order_totals.orders_with_lines') }} as average_order_value,
    scores.recency_score,
    scores.frequency_score,
    scores.monetary_score,
    100 * scores.recency_score + 10 * scores.frequency_score + scores.monetary_score as rfm_cell,
    {{ rfm_segment('scores.recency_score', 'scores.frequency_score') | indent(4) }} as rfm_segment,
    rhythms.mean_days_between_orders,
    rhythms.overdue_ratio,
    rhythms.overdue_ratio > 2 as is_overdue,
    ranked_categories.category as preferred_category,
    coalesce(target_totals.campaigns_addressed, 0) as campaigns_addressed,
    coalesce(redemption_totals.campaigns_redeemed, 0) as campaigns_redeemed,
    cast(coalesce(redemption_totals.redemptions, 0) as bigint) as redemptions,
    redemption_totals.last_redeemed_on
from customers
left join order_totals on customers.customer_durable_key = order_totals.customer_durable_key
left join sales_totals on customers.customer_durable_key = sales_totals.customer_durable_key
left join ranked_categories
    on customers.customer_durable_key = ranked_categories.customer_durable_key and ranked_categories.sales_rank = 1
left join target_totals on customers.customer_durable_key = target_totals.customer_durable_key
left join redemption_totals on customers.customer_durable_key = redemption_totals.customer_durable_key
left join scores on customers.customer_durable_key = scores.customer_durable_key
left join rhythms on customers.customer_durable_key = rhythms.customer_durable_key
-- The unknown customer is a row only where facts stand on it.
where
    customers.customer_durable_key <> {{ unknown_key() }}
    or order_totals.customer_durable_key is not null
    or sales_totals.customer_durable_key is not null
    or target_totals.customer_durable_key is not null
    or redemption_totals.customer_durable_key is not null
