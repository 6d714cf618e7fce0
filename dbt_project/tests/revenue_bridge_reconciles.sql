-- The bridge has, month by month and channel by channel, the sales that orders_daily
-- has, and the returns that came in of orders that were not cancelled. One row a
-- month and channel that differs, is missing or is surplus.
with bridge as (

    select * from {{ ref('revenue_bridge_monthly') }}

),

order_days as (

    select * from {{ ref('orders_daily') }}

),

returns as (

    select * from {{ ref('stg_erp__returns') }}

),

orders as (

    select * from {{ ref('stg_erp__orders') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

made as (

    select
        bridge_month,
        channel,
        sum(gross_amount) as gross_amount,
        sum(retail_discount + coupon_match_discount) as discount_amount,
        sum(coupon_discount) as coupon_discount,
        sum(sales_amount) as sales_amount,
        sum(returned_amount) as returned_amount
    from bridge
    group by
        bridge_month,
        channel

),

-- A month and channel of nothing but orders without lines has no row in the bridge.
sold as (

    select
        {{ first_day_of('month', 'order_date') }} as bridge_month,
        channel,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(coupon_discount) as coupon_discount,
        sum(sales_amount) as sales_amount
    from order_days
    where orders_with_lines > 0
    group by
        {{ first_day_of('month', 'order_date') }},
        channel

),

return_lines as (

    select
        {{ first_day_of('month', business_date('returns.returned_at')) }} as bridge_month,
        orders.channel,
        {{ in_base_currency(
            'returns.refund_amount', 'returns.currency_code', 'exchange_rates.rate_to_base'
        ) | indent(8) }} as refund_amount
    from returns
    inner join orders on returns.order_id = orders.order_id
    left join exchange_rates
        on
            returns.currency_code = exchange_rates.currency_code
            and {{ business_date('returns.returned_at') }} = exchange_rates.date_day
    where orders.order_status <> 'cancelled'

),

returned as (

    select
        bridge_month,
        channel,
        sum(refund_amount) as returned_amount
    from return_lines
    group by
        bridge_month,
        channel

),

expected as (

    select
        coalesce(sold.bridge_month, returned.bridge_month) as bridge_month,
        coalesce(sold.channel, returned.channel) as channel,
        coalesce(sold.gross_amount, 0) as gross_amount,
        coalesce(sold.discount_amount, 0) as discount_amount,
        coalesce(sold.coupon_discount, 0) as coupon_discount,
        coalesce(sold.sales_amount, 0) as sales_amount,
        coalesce(returned.returned_amount, 0) as returned_amount
    from sold
    full outer join returned
        on
            sold.bridge_month = returned.bridge_month
            and sold.channel = returned.channel

)

select
    coalesce(made.bridge_month, expected.bridge_month) as bridge_month,
    coalesce(made.channel, expected.channel) as channel,
    made.gross_amount,
    expected.gross_amount as expected_gross_amount,
    made.discount_amount,
    expected.discount_amount as expected_discount_amount,
    made.coupon_discount,
    expected.coupon_discount as expected_coupon_discount,
    made.sales_amount,
    expected.sales_amount as expected_sales_amount,
    made.returned_amount,
    expected.returned_amount as expected_returned_amount
from made
full outer join expected
    on
        made.bridge_month = expected.bridge_month
        and made.channel = expected.channel
-- A month of cancelled lines alone has a row of zeros, and orders_daily none to compare.
where
    coalesce(made.gross_amount, 0) <> coalesce(expected.gross_amount, 0)
    or coalesce(made.discount_amount, 0) <> coalesce(expected.discount_amount, 0)
    or coalesce(made.coupon_discount, 0) <> coalesce(expected.coupon_discount, 0)
    or coalesce(made.sales_amount, 0) <> coalesce(expected.sales_amount, 0)
    or coalesce(made.returned_amount, 0) <> coalesce(expected.returned_amount, 0)
