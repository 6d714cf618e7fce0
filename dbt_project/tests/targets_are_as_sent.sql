-- Every target in fct_sales_targets says what people entered, under its category's
-- name. One row a month and category that differs, is missing or is surplus.
with made as (

    select * from {{ ref('fct_sales_targets') }}

),

sales_targets as (

    select * from {{ source_as_of('planning', 'sales_targets') }}

),

categories as (

    select * from {{ source_as_of('erp', 'categories') }}

),

expected as (

    select
        sales_targets.month as target_month,
        sales_targets.category_id,
        coalesce(categories.level, 'Unknown') as category_level,
        coalesce(trim(categories.name), 'Unknown') as category_name,
        sales_targets.currency_code,
        sales_targets.target_amount,
        sales_targets._load_id as load_id
    from sales_targets
    left join categories on sales_targets.category_id = categories.category_id

)

{{ rows_that_differ(['target_month', 'category_id'], [
    'category_level',
    'category_name',
    'currency_code',
    'target_amount',
    'load_id',
]) }}
