-- orders_wide has the orders of fct_orders, each with its own amount, what was sold
-- of it in sales, and what was paid and came back in its money. One row an order
-- that differs, is missing or is surplus.
with made as (

    select
        order_id,
        order_date,
        customer_id,
        channel,
        currency_code,
        is_cancelled,
        line_count,
        ordered_amount,
        sales_amount,
        units,
        cost_amount,
        return_count,
        case when currency_code = {{ base_currency() }} then captured_amount - refunded_amount end as paid_amount
    from {{ ref('orders_wide') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

payments as (

    select * from {{ ref('payment_reconciliation') }}

),

returns as (

    select * from {{ ref('stg_erp__returns') }}

),

lines_sold as (

    select
        order_id,
        sum(sales_amount) as sales_amount,
        sum(quantity) as units,
        {{ known_total('cost_amount') }} as cost_amount
    from {{ ref('fct_sales_costed') }}
    group by order_id

),

slips as (

    select
        order_id,
        count(*) as return_count
    from returns
    group by order_id

),

expected as (

    select
        orders.order_id,
        orders.order_date,
        orders.customer_id,
        orders.channel,
        orders.currency_code,
        orders.is_cancelled,
        orders.line_count,
        orders.sales_amount as ordered_amount,
        coalesce(lines_sold.sales_amount, 0) as sales_amount,
        coalesce(lines_sold.units, 0) as units,
        case when orders.is_cancelled then 0 else lines_sold.cost_amount end as cost_amount,
        coalesce(slips.return_count, 0) as return_count,
        case when orders.currency_code = {{ base_currency() }} then payments.paid_amount end as paid_amount
    from orders
    left join payments on orders.order_id = payments.order_id
    left join lines_sold on orders.order_id = lines_sold.order_id
    left join slips on orders.order_id = slips.order_id

)

{{ rows_that_differ(['order_id'], [
    'order_date',
    'customer_id',
    'channel',
    'currency_code',
    'is_cancelled',
    'line_count',
    'ordered_amount',
    'sales_amount',
    'units',
    'cost_amount',
    'return_count',
    'paid_amount',
]) }}
