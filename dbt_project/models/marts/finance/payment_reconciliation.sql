with orders as (

    select * from {{ ref('fct_orders') }}

),

payments as (

    select * from {{ ref('fct_payments') }}

),

returns as (

    select * from {{ ref('fct_returns') }}

),

lines_waiting as (

    select * from {{ ref('int_order_lines_waiting') }}

),

-- Amounts of two currencies are neither added nor compared: rows of another one are counted.
moves as (

    select
        payments.order_id,
        payments.payment_status,
        payments.amount,
        payments.currency_code = orders.currency_code as is_comparable
    from payments
    inner join orders on payments.order_id = orders.order_id
    where payments.payment_status <> 'failed'

),

paid as (

    select
        order_id,
        sum(case when is_comparable and payment_status = 'captured' then 1 else 0 end) as capture_count,
        {{ total_amount(
            "case when is_comparable and payment_status = 'captured' then amount else 0 end"
        ) }} as captured_amount,
        {{ total_amount(
            "case when is_comparable and payment_status = 'refunded' then amount else 0 end"
        ) }} as refunded_amount,
        sum(case when is_comparable then 0 else 1 end) as other_currency_count
    from moves
    group by order_id

),

-- Of a cancelled order nothing is due, so that nothing has to come back for it to be paid back.
returned as (

    select
        returns.order_id,
        {{ total_amount(
            'case when returns.currency_code = orders.currency_code then returns.refund_amount else 0 end'
        ) }} as returned_amount,
        sum(case when returns.currency_code = orders.currency_code then 0 else 1 end) as other_currency_count
    from returns
    inner join orders on returns.order_id = orders.order_id
    where not orders.is_cancelled
    group by returns.order_id

),

compared as (

    select
        orders.order_id,
        orders.order_date,
        orders.customer_key,
        orders.location_key,
        orders.channel,
        orders.order_status,
        orders.is_cancelled,
        orders.has_lines,
        cast(coalesce(lines_waiting.waiting_line_count, 0) as bigint) as waiting_line_count,
        orders.currency_code,
        orders.sales_amount,
        orders.coupon_discount,
        cast(
            case
                when orders.is_cancelled then 0
                else {{ customer_due('orders.sales_amount', 'orders.coupon_discount') | indent(16) }}
            end as numeric(18, 2)
        ) as due_amount,
        cast(coalesce(paid.capture_count, 0) as bigint) as capture_count,
        {{ total_or_zero('paid.captured_amount') }} as captured_amount,
        {{ total_or_zero('returned.returned_amount') }} as returned_amount,
        {{ total_or_zero('paid.refunded_amount') }} as refunded_amount,
        cast(
            coalesce(paid.other_currency_count, 0) + coalesce(returned.other_currency_count, 0) as bigint
        ) as other_currency_count
    from orders
    left join paid on orders.order_id = paid.order_id
    left join returned on orders.order_id = returned.order_id
    left join lines_waiting on orders.order_id = lines_waiting.order_id

),

differences as (

    select
        *,
        cast(captured_amount - refunded_amount as numeric(18, 2)) as paid_amount,
        cast(captured_amount - due_amount as numeric(18, 2)) as payment_difference_amount,
        cast(refunded_amount - returned_amount as numeric(18, 2)) as refund_difference_amount,
        cast(
            captured_amount - due_amount - refunded_amount + returned_amount as numeric(18, 2)
        ) as difference_amount
    from compared

)

select
    order_id,
    order_date,
    customer_key,
    location_key,
    channel,
    order_status,
    has_lines,
    waiting_line_count,
    currency_code,
    sales_amount,
    coupon_discount,
    due_amount,
    capture_count,
    captured_amount,
    payment_difference_amount,
    returned_amount,
    refunded_amount,
    refund_difference_amount,
    paid_amount,
    difference_amount,
    other_currency_count,
    -- The customer is named where a payment is wrong, the shop where a refund is.
    case
        when other_currency_count > 0 then 'other_currency'
        when not has_lines and not is_cancelled then 'lines_waiting'
        when difference_amount = 0 then 'settled'
        when waiting_line_count > 0 and not is_cancelled and payment_difference_amount <> 0 then 'lines_waiting'
        when difference_amount > 0 and payment_difference_amount > 0 and is_cancelled then 'paid_and_cancelled'
        when difference_amount > 0 and payment_difference_amount > 0 and captured_amount = 2 * due_amount
            then 'paid_twice'
        when difference_amount > 0 and payment_difference_amount > 0 then 'paid_too_much'
        when difference_amount > 0 then 'refund_due'
        when payment_difference_amount >= 0 then 'refunded_too_much'
        when capture_count = 0 then 'not_paid'
        else 'paid_too_little'
    end as payment_state
from differences
