with targets as (

    select * from {{ ref('fct_sales_targets') }}

),

sales as (

    select * from {{ ref('fct_sales') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

ancestors as (

    select * from {{ ref('int_category_ancestors') }}

),

type_months as (

    select
        {{ first_day_of('month', 'sales.order_date') }} as sales_month,
        products.category_id,
        {{ units_sold('sales.quantity') }} as units,
        {{ net_sales('sales.sales_amount') }} as sales_amount
    from sales
    inner join products on sales.product_key = products.product_key
    group by
        {{ first_day_of('month', 'sales.order_date') }},
        products.category_id

),

-- What was sold of a category is what was sold of all that hangs under it.
category_months as (

    select
        type_months.sales_month,
        ancestors.ancestor_id as category_id,
        {{ units_sold('type_months.units') }} as units,
        {{ net_sales('type_months.sales_amount') }} as sales_amount
    from type_months
    inner join ancestors on type_months.category_id = ancestors.category_id
    group by
        type_months.sales_month,
        ancestors.ancestor_id

)

select
    targets.target_month,
    targets.category_id,
    targets.category_level,
    targets.category_name,
    targets.department,
    targets.base_target_amount as target_amount,
    coalesce(category_months.units, 0) as units,
    {{ total_or_zero('category_months.sales_amount') }} as sales_amount,
    cast(coalesce(category_months.sales_amount, 0) - targets.base_target_amount as numeric(18, 2)) as difference_amount,
    {{ target_attainment(
        'coalesce(category_months.sales_amount, 0)', 'targets.base_target_amount'
    ) }} as target_attainment,
    {{ first_day_of('month', as_of_date()) }} > targets.target_month as is_month_over
from targets
left join category_months
    on
        targets.target_month = category_months.sales_month
        and targets.category_id = category_months.category_id
