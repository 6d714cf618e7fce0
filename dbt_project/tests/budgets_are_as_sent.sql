-- Every budget in fct_budgets says what people entered, in the base currency at the
-- rate of its month's first day. One row a month, department and kind of cost that
-- differs, is missing or is surplus.
with made as (

    select * from {{ ref('fct_budgets') }}

),

budgets as (

    select * from {{ source_as_of('planning', 'budgets') }}

),

exchange_rates as (

    select * from {{ source_as_of('planning', 'exchange_rates') }}

),

rated as (

    select
        budgets.month,
        budgets.department,
        budgets.cost_type,
        exchange_rates.rate_to_base,
        row_number() over (
            partition by budgets.month, budgets.department, budgets.cost_type
            order by exchange_rates.rate_date desc
        ) as age
    from budgets
    inner join exchange_rates
        on
            budgets.currency_code = exchange_rates.currency_code
            and budgets.month >= exchange_rates.rate_date

),

expected as (

    select
        budgets.month as budget_month,
        budgets.department,
        budgets.cost_type,
        budgets.currency_code,
        budgets.amount as budget_amount,
        case
            when budgets.currency_code = {{ base_currency() }} then budgets.amount
            else round(budgets.amount * rated.rate_to_base, 2)
        end as base_budget_amount,
        budgets._load_id as load_id
    from budgets
    left join rated
        on
            budgets.month = rated.month
            and budgets.department = rated.department
            and budgets.cost_type = rated.cost_type
            and rated.age = 1

)

{{ rows_that_differ(['budget_month', 'department', 'cost_type'], [
    'currency_code',
    'budget_amount',
    'base_budget_amount',
    'load_id',
]) }}
