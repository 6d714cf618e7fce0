with orders as (

    select * from {{ ref('stg_erp__orders') }}

),

payments as (

    select * from {{ ref('stg_erp__payments') }}

),

campaigns as (

    select * from {{ ref('stg_marketing__campaigns') }}

),

campaign_targets as (

    select * from {{ ref('stg_marketing__campaign_targets') }}

),

coupon_redemptions as (

    select * from {{ ref('stg_marketing__coupon_redemptions') }}

),

sales_targets as (

    select * from {{ ref('stg_planning__sales_targets') }}

),

budgets as (

    select * from {{ ref('stg_planning__budgets') }}

),

activity_events as (

    select * from {{ ref('stg_web__activity_events') }}

),

email_events as (

    select * from {{ ref('stg_marketing__email_events') }}

),

ad_performance as (

    select * from {{ ref('stg_marketing__ad_performance') }}

),

returns as (

    select * from {{ ref('stg_erp__returns') }}

),

stock_movements as (

    select * from {{ ref('stg_erp__stock_movements') }}

),

promotions as (

    select * from {{ ref('stg_marketing__promotions') }}

),

-- Every date that a fact can bear, and the build's today.
spans as (

    select
        {{ business_date('min(ordered_at)') }} as first_date,
        {{ business_date('max(ordered_at)') }} as last_date
    from orders

    union all

    select
        {{ business_date('min(paid_at)') }} as first_date,
        {{ business_date('max(paid_at)') }} as last_date
    from payments

    union all

    select
        min(start_date) as first_date,
        max(end_date) as last_date
    from campaigns

    union all

    select
        min(addressed_on) as first_date,
        max(addressed_on) as last_date
    from campaign_targets

    union all

    select
        min(redeemed_on) as first_date,
        max(redeemed_on) as last_date
    from coupon_redemptions

    union all

    select
        {{ business_date('min(returned_at)') }} as first_date,
        {{ business_date('max(returned_at)') }} as last_date
    from returns

    union all

    select
        {{ business_date('min(moved_at)') }} as first_date,
        {{ business_date('max(moved_at)') }} as last_date
    from stock_movements

    union all

    select
        {{ first_day_of_year('min(promotion_year)') }} as first_date,
        {{ first_day_of_year('max(promotion_year)') }} as last_date
    from promotions

    union all

    select
        min(performance_date) as first_date,
        max(performance_date) as last_date
    from ad_performance

    union all

    select
        {{ business_date('min(occurred_at)') }} as first_date,
        {{ business_date('max(occurred_at)') }} as last_date
    from email_events

    union all

    select
        {{ business_date('min(occurred_at)') }} as first_date,
        {{ business_date('max(occurred_at)') }} as last_date
    from activity_events

    union all

    select
        min(target_month) as first_date,
        max(target_month) as last_date
    from sales_targets

    union all

    select
        min(budget_month) as first_date,
        max(budget_month) as last_date
    from budgets

    union all

    select
        {{ as_of_date() }} as first_date,
        {{ as_of_date() }} as last_date

),

-- Whole years, so that a comparison of periods finds every day of both.
bounds as (

    select
        {{ first_day_of('year', 'min(first_date)') }} as first_day,
        {{ first_day_of('year', add_days(366, first_day_of('year', 'max(last_date)'))) }} as day_after_last
    from spans

),

digits as (

    {% for n in range(10) -%}
    select {{ n }} as n{{ ' union all' if not loop.last }}
    {% endfor %}
),

-- 100,000 days: 273 years. A date beyond them would fail the facts' tests.
numbers as (

    {{ whole_numbers(5) | indent(4) }}

)

select
    {{ add_days('numbers.n', 'bounds.first_day') }} as date_day
from numbers
cross join bounds
where numbers.n < {{ days_between('bounds.first_day', 'bounds.day_after_last') }}
