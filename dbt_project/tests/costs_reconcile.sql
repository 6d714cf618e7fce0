-- What the goods cost is one number in every table that shows it: product by product
-- and month by month it is known or not, and where it is it comes to the lines'. One
-- row a table that differs. (orders_wide is compared order by order, in
-- orders_wide_reconcile.)
with sales as (

    select * from {{ ref('fct_sales_costed') }}

),

product_months as (

    select
        {{ first_day_of('month', 'order_date') }} as order_month,
        channel,
        department,
        product_id,
        count(*) as line_count,
        count(cost_amount) as lines_with_cost,
        sum(cost_amount) as cost_amount
    from sales
    group by
        {{ first_day_of('month', 'order_date') }},
        channel,
        department,
        product_id

),

products as (

    select
        product_id,
        case when sum(line_count) = sum(lines_with_cost) then sum(cost_amount) end as cost_amount
    from product_months
    group by product_id

),

months as (

    select
        order_month,
        channel,
        department,
        case when sum(line_count) = sum(lines_with_cost) then sum(cost_amount) end as cost_amount
    from product_months
    group by
        order_month,
        channel,
        department

),

compared as (

    select
        'product_performance' as table_name,
        (select {{ total_amount('cost_amount') }} from {{ ref('product_performance') }}) as cost_amount,
        (select {{ total_amount('cost_amount') }} from products) as expected_amount

    union all

    select
        'revenue_bridge_monthly' as table_name,
        (select {{ total_amount('cost_amount') }} from {{ ref('revenue_bridge_monthly') }}) as cost_amount,
        (select {{ total_amount('cost_amount') }} from months) as expected_amount

)

select
    table_name,
    cost_amount,
    expected_amount
from compared
where cost_amount <> expected_amount
