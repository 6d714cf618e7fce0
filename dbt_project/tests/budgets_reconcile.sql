-- budget_vs_actual has all budgets and all that advertising cost, in the base
-- currency. One row a kind of amount that differs.
with shown as (

    select
        {{ total_amount('budget_amount') }} as budget_amount,
        {{ total_amount('actual_amount') }} as actual_amount
    from {{ ref('budget_vs_actual') }}

),

budgets as (

    select {{ total_amount('base_budget_amount') }} as budget_amount
    from {{ ref('fct_budgets') }}

),

-- A month in which one cost has no rate is not known as a whole.
ad_months as (

    select {{ known_total('base_cost_amount') }} as cost_amount
    from {{ ref('fct_ad_performance_daily') }}
    group by {{ first_day_of('month', 'performance_date') }}

),

advertising as (

    select {{ total_amount('cost_amount') }} as actual_amount from ad_months

),

compared as (

    select
        'budgets' as kind,
        shown.budget_amount as amount,
        budgets.budget_amount as expected_amount
    from shown
    cross join budgets

    union all

    select
        'advertising' as kind,
        shown.actual_amount as amount,
        advertising.actual_amount as expected_amount
    from shown
    cross join advertising

)

select
    kind,
    amount,
    expected_amount
from compared
where amount <> expected_amount
