-- payment_reconciliation has all of the sales that orders have and all of the money
-- that was moved, currency by currency. One row a currency in which it has not.
with made as (

    select
        currency_code,
        count(*) as order_count,
        {{ net_sales() }} as sales_amount,
        {{ total_amount('paid_amount') }} as paid_amount
    from {{ ref('payment_reconciliation') }}
    group by currency_code

),

orders as (

    select * from {{ ref('stg_erp__orders') }}

),

order_lines as (

    select * from {{ ref('stg_erp__order_lines') }}

),

payments as (

    select * from {{ ref('stg_erp__payments') }}

),

line_totals as (

    select
        order_id,
        sum(sales_amount) as sales_amount
    from order_lines
    group by order_id

),

payment_totals as (

    select
        order_id,
        sum(
            case
                when payment_status = 'captured' then amount
                when payment_status = 'refunded' then -amount
                else 0
            end
        ) as paid_amount
    from payments
    group by order_id

),

expected as (

    select
        orders.currency_code,
        count(*) as order_count,
        sum(coalesce(line_totals.sales_amount, 0)) as sales_amount,
        sum(coalesce(payment_totals.paid_amount, 0)) as paid_amount
    from orders
    left join line_totals on orders.order_id = line_totals.order_id
    left join payment_totals on orders.order_id = payment_totals.order_id
    group by orders.currency_code

)

{{ rows_that_differ(['currency_code'], ['order_count', 'sales_amount', 'paid_amount']) }}
