with orders as (

    select * from {{ ref('fct_orders') }}

),

payments as (

    select * from {{ ref('fct_payments') }}

),

returns as (

    select * from {{ ref('fct_returns') }}

),

paid as (

    select
        order_id,
        sum(case when payment_status = 'captured' then 1 else 0 end) as capture_count,
        {{ total_amount("case when payment_status = 'captured' then amount else 0 end") }} as captured_amount,
        {{ total_amount("case when payment_status = 'refunded' then amount else 0 end") }} as refunded_amount
    from payments
    group by order_id

),

returned as (

    select
        order_id,
        {{ total_amount('refund_amount') }} as returned_amount
    from returns
    group by order_id

),

-- Of a cancelled order nothing is due.
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
        orders.currency_code,
        orders.sales_amount,
        {{ total_or_zero('returned.returned_amount') }} as returned_amount,
        cast(
            case
                when orders.is_cancelled then 0
                else orders.sales_amount - coalesce(returned.returned_amount, 0)
            end as numeric(18, 2)
        ) as due_amount,
        cast(coalesce(paid.capture_count, 0) as bigint) as capture_count,
        {{ total_or_zero('paid.captured_amount') }} as captured_amount,
        {{ total_or_zero('paid.refunded_amount') }} as refunded_amount,
        cast(coalesce(paid.captured_amount, 0) - coalesce(paid.refunded_amount, 0) as numeric(18, 2)) as paid_amount
    from orders
    left join paid on orders.order_id = paid.order_id
    left join returned on orders.order_id = returned.order_id

)

select
    order_id,
    order_date,
    customer_key,
    location_key,
    channel,
    order_status,
    has_lines,
    currency_code,
    sales_amount,
    returned_amount,
    due_amount,
    capture_count,
    captured_amount,
    refunded_amount,
    paid_amount,
    cast(paid_amount - due_amount as numeric(18, 2)) as difference_amount,
    case
        when paid_amount = due_amount then 'settled'
        when is_cancelled then 'paid_and_cancelled'
        when not has_lines then 'lines_waiting'
        when capture_count = 0 then 'not_paid'
        when paid_amount < due_amount then 'paid_too_little'
        when captured_amount = 2 * sales_amount then 'paid_twice'
        else 'paid_too_much'
    end as payment_state
from compared
