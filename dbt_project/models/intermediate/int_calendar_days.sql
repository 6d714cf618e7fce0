{#- Every date that a fact can bear: the view, the columns of its first and last
    day, and what these hold. A column that is added here needs a range at the door. -#}
{%- set dated = [
    ('stg_erp__orders', 'ordered_at', 'ordered_at', 'moment'),
    ('stg_erp__payments', 'paid_at', 'paid_at', 'moment'),
    ('stg_erp__returns', 'returned_at', 'returned_at', 'moment'),
    ('stg_erp__stock_movements', 'moved_at', 'moved_at', 'moment'),
    ('stg_marketing__campaigns', 'start_date', 'end_date', 'day'),
    ('stg_marketing__campaign_targets', 'addressed_on', 'addressed_on', 'day'),
    ('stg_marketing__coupon_redemptions', 'redeemed_on', 'redeemed_on', 'day'),
    ('stg_marketing__promotions', 'promotion_year', 'promotion_year', 'year'),
    ('stg_marketing__ad_performance', 'performance_date', 'performance_date', 'day'),
    ('stg_marketing__email_events', 'occurred_at', 'occurred_at', 'moment'),
    ('stg_web__activity_events', 'occurred_at', 'occurred_at', 'moment'),
    ('stg_planning__sales_targets', 'target_month', 'target_month', 'day'),
    ('stg_planning__budgets', 'budget_month', 'budget_month', 'day'),
] -%}

with spans as (

    {% for view, first, last, kind in dated -%}
    {%- set first_held, last_held = 'min(' ~ first ~ ')', 'max(' ~ last ~ ')' -%}
    {%- set first_day, last_day = {
        'moment': [business_date(first_held), business_date(last_held)],
        'year': [first_day_of_year(first_held), first_day_of_year(last_held)],
        'day': [first_held, last_held],
    }[kind] -%}
    select
        {{ first_day }} as first_date,
        {{ last_day }} as last_date
    from {{ ref(view) }}

    union all

    {% endfor -%}
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
