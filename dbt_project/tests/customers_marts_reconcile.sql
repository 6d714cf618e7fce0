-- Customers, orders and sales of the tables that leave the unknown customer out are
-- those that the orders and lines of all others come to. One row a table that differs.
with orders as (

    select * from {{ ref('stg_erp__orders') }}
    where
        order_status <> 'cancelled'
        and customer_id is not null

),

sales as (

    select * from {{ ref('fct_sales') }}
    where customer_id is not null

),

order_totals as (

    select
        count(distinct customer_id) as customers,
        count(*) as order_count
    from orders

),

sales_totals as (

    select {{ net_sales() }} as sales_amount from sales

),

shown as (

    select
        'cohort_retention' as table_name,
        coalesce(sum(case when months_since = 0 then customers end), 0) as customers,
        coalesce(sum(order_count), 0) as order_count,
        {{ net_sales() }} as sales_amount
    from {{ ref('cohort_retention') }}

    union all

    select
        'lifetime_value' as table_name,
        count(*) as customers,
        coalesce(sum(order_count), 0) as order_count,
        {{ net_sales() }} as sales_amount
    from {{ ref('lifetime_value') }}

    union all

    select
        'customer_360' as table_name,
        count(rfm_cell) as customers,
        coalesce(sum(order_count), 0) as order_count,
        {{ net_sales() }} as sales_amount
    from {{ ref('customer_360') }}
    where customer_id is not null

)

select
    shown.table_name,
    shown.customers,
    order_totals.customers as expected_customers,
    shown.order_count,
    order_totals.order_count as expected_order_count,
    shown.sales_amount,
    sales_totals.sales_amount as expected_sales_amount
from shown
cross join order_totals
cross join sales_totals
where
    shown.customers <> order_totals.customers
    or shown.order_count <> order_totals.order_count
    or shown.sales_amount <> sales_totals.sales_amount
