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

exchange_rates as (

    select * from {{ source_as_of('planning', 'exchange_rates') }}

),

above as (

    select
        self.category_id,
        coalesce(grandparent.name, parent.name, self.name) as root_name
    from categories as self
    left join categories as parent on self.parent_category_id = parent.category_id
    left join categories as grandparent on parent.parent_category_id = grandparent.category_id

),

rated as (

    select
        sales_targets.month,
        sales_targets.category_id,
        exchange_rates.rate_to_base,
        row_number() over (
            partition by sales_targets.month, sales_targets.category_id
            order by exchange_rates.rate_date desc
        ) as age
    from sales_targets
    inner join exchange_rates
        on
            sales_targets.currency_code = exchange_rates.currency_code
            and sales_targets.month >= exchange_rates.rate_date

),

expected as (

    select
        sales_targets.month as target_month,
        sales_targets.category_id,
        coalesce(categories.level, 'Unknown') as category_level,
        coalesce(trim(categories.name), 'Unknown') as category_name,
        coalesce(trim(above.root_name), 'Unknown') as department,
        sales_targets.currency_code,
        sales_targets.target_amount,
        case
            when sales_targets.currency_code = {{ base_currency() }} then sales_targets.target_amount
            else round(sales_targets.target_amount * rated.rate_to_base, 2)
        end as base_target_amount,
        sales_targets._load_id as load_id
    from sales_targets
    left join categories on sales_targets.category_id = categories.category_id
    left join above on sales_targets.category_id = above.category_id
    left join rated
        on
            sales_targets.month = rated.month
            and sales_targets.category_id = rated.category_id
            and rated.age = 1

)

{{ rows_that_differ(['target_month', 'category_id'], [
    'category_level',
    'category_name',
    'department',
    'currency_code',
    'target_amount',
    'base_target_amount',
    'load_id',
]) }}
