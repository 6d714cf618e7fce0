with sales_targets as (

    select * from {{ ref('stg_planning__sales_targets') }}

),

categories as (

    select * from {{ ref('int_categories_flattened') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

)

select
    sales_targets.target_month,
    sales_targets.category_id,
    coalesce(categories.category_level, 'Unknown') as category_level,
    coalesce(categories.category_name, 'Unknown') as category_name,
    coalesce(categories.department, 'Unknown') as department,
    sales_targets.currency_code,
    sales_targets.target_amount,
    {{ in_base_currency(
        'sales_targets.target_amount', 'sales_targets.currency_code', 'exchange_rates.rate_to_base'
    ) | indent(4) }} as base_target_amount,
    sales_targets.load_id
from sales_targets
left join categories on sales_targets.category_id = categories.category_id
left join exchange_rates
    on
        sales_targets.currency_code = exchange_rates.currency_code
        and sales_targets.target_month = exchange_rates.date_day
