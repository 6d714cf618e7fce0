with budgets as (

    select * from {{ ref('fct_budgets') }}

),

ad_performance as (

    select * from {{ ref('fct_ad_performance_daily') }}

),

-- What was spent, as far as a fact tells. A new one is a row of this union.
spent as (

    select
        {{ first_day_of('month', 'performance_date') }} as spent_month,
        'marketing' as department,
        'advertising' as cost_type,
        'fct_ad_performance_daily' as actual_source,
        {{ known_total('base_cost_amount') }} as actual_amount
    from ad_performance
    group by {{ first_day_of('month', 'performance_date') }}

),

-- What was spent without a budget is a row, too.
compared as (

    select
        coalesce(budgets.budget_month, spent.spent_month) as budget_month,
        coalesce(budgets.department, spent.department) as department,
        coalesce(budgets.cost_type, spent.cost_type) as cost_type,
        budgets.base_budget_amount as budget_amount,
        spent.actual_source,
        spent.actual_amount
    from budgets
    full outer join spent
        on
            budgets.budget_month = spent.spent_month
            and budgets.department = spent.department
            and budgets.cost_type = spent.cost_type

)

select
    budget_month,
    department,
    cost_type,
    budget_amount,
    actual_amount,
    actual_source,
    cast(actual_amount - budget_amount as numeric(18, 2)) as difference_amount,
    {{ budget_use('actual_amount', 'budget_amount') }} as budget_use,
    {{ first_day_of('month', as_of_date()) }} > budget_month as is_month_over
from compared
