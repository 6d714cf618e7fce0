-- Orders that were not paid what their lines are worth, less what came back. It
-- warns and does not stop: lines that wait make such a difference, and so do
-- return slips that were refused, and orders that are placed and not paid yet.
-- Of a cancelled order nothing should be left.
{{ config(severity='warn') }}

with orders as (

    select * from {{ ref('fct_orders') }}

),

payments as (

    select * from {{ ref('fct_payments') }}

),

returns as (

    select * from {{ ref('stg_erp__returns') }}

),

returned as (

    select
        order_id,
        currency_code,
        {{ total_amount('refund_amount') }} as refund_amount
    from returns
    group by
        order_id,
        currency_code

),

paid as (

    select
        order_id,
        {{ total_amount('net_amount') }} as net_amount
    from payments
    group by order_id

),

compared as (

    select
        orders.order_id,
        orders.order_status,
        orders.has_lines,
        case
            when orders.is_cancelled then 0
            else orders.sales_amount - coalesce(returned.refund_amount, 0)
        end as expected_amount,
        coalesce(paid.net_amount, 0) as net_amount
    from orders
    left join paid on orders.order_id = paid.order_id
    left join returned
        on
            orders.order_id = returned.order_id
            and orders.currency_code = returned.currency_code

)

select
    order_id,
    order_status,
    has_lines,
    expected_amount,
    net_amount
from compared
where net_amount <> expected_amount
