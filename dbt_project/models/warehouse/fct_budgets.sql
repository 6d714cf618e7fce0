with budgets as (

    select * from {{ ref('stg_planning__budgets') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

)

-- Budgets without a rate of their month's first day stay, and have no amount in the base currency.
select
    budgets.budget_month,
    budgets.department,
    budgets.cost_type,
    budgets.currency_code,
    budgets.budget_amount,
    {{ in_base_currency(
        'budgets.budget_amount', 'budgets.currency_code', 'exchange_rates.rate_to_base'
    ) | indent(4) }} as base_budget_amount,
    budgets.load_id
from budgets
left join exchange_rates
    on
        budgets.currency_code = exchange_rates.currency_code
        and budgets.budget_month = exchange_rates.date_day
