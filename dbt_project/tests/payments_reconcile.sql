-- payment_reconciliation has all of the sales that orders have, all of the money that
-- was moved in the order's currency and all of what came back in it, and counts what
-- is in another one. One row a currency of orders in which it has not.
with made as (

    select
        currency_code,
        count(*) as order_count,
        {{ net_sales() }} as sales_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount,
        {{ total_amount('paid_amount') }} as paid_amount,
        {{ total_amount('returned_amount') }} as returned_amount,
        sum(other_currency_count) as other_currency_count
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

returns as (

    select * from {{ ref('stg_erp__returns') }}

),

line_totals as (

    select
        order_id,
        sum(sales_amount) as sales_amount,
        sum(coupon_discount) as coupon_discount
    from order_lines
    group by order_id

),

moved as (

    select
        order_id,
        currency_code,
        case when payment_status = 'refunded' then -amount else amount end as paid_amount,
        0 as returned_amount
    from payments
    where payment_status <> 'failed'
    union all
    select
        returns.order_id,
        returns.currency_code,
        0 as paid_amount,
        returns.refund_amount as returned_amount
    from returns
    inner join orders on returns.order_id = orders.order_id
    where orders.order_status <> 'cancelled'

),

moved_totals as (

    select
        orders.order_id,
        sum(case when moved.currency_code = orders.currency_code then moved.paid_amount else 0 end) as paid_amount,
        sum(
            case when moved.currency_code = orders.currency_code then moved.returned_amount else 0 end
        ) as returned_amount,
        sum(case when moved.currency_code = orders.currency_code then 0 else 1 end) as other_currency_count
    from moved
    inner join orders on moved.order_id = orders.order_id
    group by orders.order_id

),

expected as (

    select
        orders.currency_code,
        count(*) as order_count,
        sum(coalesce(line_totals.sales_amount, 0)) as sales_amount,
        sum(coalesce(line_totals.coupon_discount, 0)) as coupon_discount,
        sum(coalesce(moved_totals.paid_amount, 0)) as paid_amount,
        sum(coalesce(moved_totals.returned_amount, 0)) as returned_amount,
        sum(coalesce(moved_totals.other_currency_count, 0)) as other_currency_count
    from orders
    left join line_totals on orders.order_id = line_totals.order_id
    left join moved_totals on orders.order_id = moved_totals.order_id
    group by orders.currency_code

)

{{ rows_that_differ(['currency_code'], [
    'order_count',
    'sales_amount',
    'coupon_discount',
    'paid_amount',
    'returned_amount',
    'other_currency_count',
]) }}
