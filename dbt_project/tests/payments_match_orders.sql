-- Orders that were not paid what the customer owes for their lines (sales less the
-- makers' coupons, and no less than nothing), less what came back; or that money
-- was moved for in another currency. It warns and does not stop: lines that wait
-- make such a difference, and so do return slips that were refused, and orders
-- that are placed and not paid yet. Of a cancelled order nothing should be left.
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
        payments.order_id,
        {{ total_amount(
            'case when payments.currency_code = orders.currency_code then payments.net_amount else 0 end'
        ) }} as net_amount,
        sum(
            case when payments.currency_code <> orders.currency_code and payments.net_amount <> 0 then 1 else 0 end
        ) as other_currency_count
    from payments
    inner join orders on payments.order_id = orders.order_id
    group by payments.order_id

),

compared as (

    select
        orders.order_id,
        orders.order_status,
        orders.has_lines,
        case
            when orders.is_cancelled then 0
            when orders.coupon_discount > orders.sales_amount then -coalesce(returned.refund_amount, 0)
            else orders.sales_amount - orders.coupon_discount - coalesce(returned.refund_amount, 0)
        end as expected_amount,
        coalesce(paid.net_amount, 0) as net_amount,
        coalesce(paid.other_currency_count, 0) as other_currency_count
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
    net_amount,
    other_currency_count
from compared
where
    net_amount <> expected_amount
    or other_currency_count > 0
