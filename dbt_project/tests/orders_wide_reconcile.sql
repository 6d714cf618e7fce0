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
        cost_amount,
        return_count,
        returned_amount,
        captured_amount - refunded_amount as paid_amount
    from {{ ref('orders_wide') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

payments as (

    select * from {{ ref('stg_erp__payments') }}

),

returns as (

    select * from {{ ref('stg_erp__returns') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

lines_sold as (

    select
        order_id,
        sum(sales_amount) as sales_amount,
        {{ known_total('cost_amount') }} as cost_amount
    from {{ ref('fct_sales_costed') }}
    group by order_id

),

-- Money in the base currency at the rate of its day; not known as a whole where one rate is missing.
slips as (

    select
        returns.order_id,
        count(*) as return_count,
        {{ known_total(
            in_base_currency('returns.refund_amount', 'returns.currency_code', 'exchange_rates.rate_to_base')
        ) }} as returned_amount
    from returns
    left join exchange_rates
        on
            returns.currency_code = exchange_rates.currency_code
            and {{ business_date('returns.returned_at') }} = exchange_rates.date_day
    group by returns.order_id

),

paid as (

    select
        payments.order_id,
        {{ known_total(
            "case payments.payment_status when 'captured' then 1 when 'refunded' then -1 else 0 end * "
            ~ in_base_currency('payments.amount', 'payments.currency_code', 'exchange_rates.rate_to_base')
        ) }} as paid_amount
    from payments
    left join exchange_rates
        on
            payments.currency_code = exchange_rates.currency_code
            and {{ business_date('payments.paid_at') }} = exchange_rates.date_day
    where payments.payment_status <> 'failed'
    group by payments.order_id

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
        case when orders.is_cancelled then 0 else lines_sold.cost_amount end as cost_amount,
        coalesce(slips.return_count, 0) as return_count,
        case when slips.order_id is null then 0 else slips.returned_amount end as returned_amount,
        case when paid.order_id is null then 0 else paid.paid_amount end as paid_amount
    from orders
    left join paid on orders.order_id = paid.order_id
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
    'cost_amount',
    'return_count',
    'returned_amount',
    'paid_amount',
]) }}
