-- Lines of which more came back than was sold, or that were given back more for
-- than the customer paid (a maker's coupon paid the rest), or in another currency:
-- the same slip under two numbers, as a rule. It warns: an event can't be
-- corrected, its load can be undone.
{{ config(severity='warn') }}

with returns as (

    select * from {{ ref('fct_returns') }}

),

order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

returned as (

    select
        order_id,
        product_id,
        currency_code,
        {{ units_sold() }} as quantity,
        {{ total_amount('refund_amount') }} as refund_amount
    from returns
    group by
        order_id,
        product_id,
        currency_code

)

select
    returned.order_id,
    returned.product_id,
    returned.quantity,
    order_lines.quantity as quantity_sold,
    returned.refund_amount,
    order_lines.sales_amount,
    order_lines.coupon_discount,
    returned.currency_code,
    order_lines.currency_code as order_currency_code
from returned
inner join order_lines
    on
        returned.order_id = order_lines.order_id
        and returned.product_id = order_lines.product_id
where
    returned.quantity > order_lines.quantity
    or (returned.refund_amount > 0 and returned.refund_amount > order_lines.sales_amount - order_lines.coupon_discount)
    or returned.currency_code <> order_lines.currency_code
