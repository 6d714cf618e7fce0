-- Every order that was not cancelled is one order in each table that counts
-- orders, and every order is in fct_orders. One row a table that differs.
with totals as (

    select
        'orders_daily' as table_name,
        sum(order_count) as order_count
    from {{ ref('orders_daily') }}

    union all

    select
        'customer_360' as table_name,
        sum(order_count) as order_count
    from {{ ref('customer_360') }}

    union all

    select
        'dim_customers' as table_name,
        sum(order_count) as order_count
    from {{ ref('dim_customers') }}
    where is_current

    union all

    select
        'orders_wide' as table_name,
        {{ orders_counted() }} as order_count
    from {{ ref('orders_wide') }}

    union all

    select
        'orders_wide, with the cancelled' as table_name,
        count(*) as order_count
    from {{ ref('orders_wide') }}

    union all

    select
        'orders_daily, with the cancelled' as table_name,
        sum(order_count + cancelled_order_count) as order_count
    from {{ ref('orders_daily') }}

    union all

    select
        'fct_orders, with the cancelled' as table_name,
        count(*) as order_count
    from {{ ref('fct_orders') }}

),

expected as (

    select
        count(*) as all_orders,
        coalesce(sum(case when order_status <> 'cancelled' then 1 else 0 end), 0) as valid_orders
    from {{ ref('stg_erp__orders') }}

),

compared as (

    select
        totals.table_name,
        coalesce(totals.order_count, 0) as order_count,
        case
            when totals.table_name like '%, with the cancelled' then expected.all_orders
            else expected.valid_orders
        end as expected_count
    from totals
    cross join expected

)

select
    table_name,
    order_count,
    expected_count
from compared
where order_count <> expected_count
