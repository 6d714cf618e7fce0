-- What sales_vs_target says that a department sold in a month is what sales_daily
-- has of it. One row a department and month that differs.
with targets as (

    select * from {{ ref('sales_vs_target') }}
    where category_level = 'department'

),

sales as (

    select * from {{ ref('sales_daily') }}

),

department_months as (

    select
        {{ first_day_of('month', 'order_date') }} as sales_month,
        department,
        {{ units_sold('units') }} as units,
        {{ net_sales() }} as sales_amount
    from sales
    group by
        {{ first_day_of('month', 'order_date') }},
        department

)

select
    targets.target_month,
    targets.department,
    targets.units,
    department_months.units as expected_units,
    targets.sales_amount,
    department_months.sales_amount as expected_sales_amount
from targets
left join department_months
    on
        targets.target_month = department_months.sales_month
        and targets.department = department_months.department
where
    targets.units <> coalesce(department_months.units, 0)
    or targets.sales_amount <> coalesce(department_months.sales_amount, 0)
