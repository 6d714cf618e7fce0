{{ config(materialized='view') }}

with order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

-- A line without a rate keeps its row and has no amount: the test of
-- sales_amount stops the build, rather than that the line is missing in a sum.
converted as (

    select
        order_lines.order_id,
        order_lines.product_key,
        order_lines.product_id,
        order_lines.customer_key,
        order_lines.customer_id,
        order_lines.location_key,
        order_lines.channel,
        order_lines.channel_key,
        order_lines.order_date,
        order_lines.quantity,
        {{ in_base_currency(
            'order_lines.sales_amount', 'order_lines.currency_code', 'exchange_rates.rate_to_base'
        ) | indent(8) }} as sales_amount,
        {{ in_base_currency(
            'order_lines.retail_discount', 'order_lines.currency_code', 'exchange_rates.rate_to_base'
        ) | indent(8) }} as retail_discount,
        {{ in_base_currency(
            'order_lines.coupon_discount', 'order_lines.currency_code', 'exchange_rates.rate_to_base'
        ) | indent(8) }} as coupon_discount,
        {{ in_base_currency(
            'order_lines.coupon_match_discount', 'order_lines.currency_code', 'exchange_rates.rate_to_base'
        ) | indent(8) }} as coupon_match_discount
    from order_lines
    left join exchange_rates
        on
            order_lines.currency_code = exchange_rates.currency_code
            and order_lines.currency_code <> {{ base_currency() }}
            and order_lines.order_date = exchange_rates.date_day
    where not order_lines.is_cancelled

)

select
    order_id,
    product_key,
    product_id,
    customer_key,
    customer_id,
    location_key,
    channel,
    channel_key,
    order_date,
    quantity,
    sales_amount,
    retail_discount,
    coupon_discount,
    coupon_match_discount,
    {{ gross_sales('sales_amount', 'retail_discount', 'coupon_match_discount') }} as gross_amount,
    {{ own_discount('retail_discount', 'coupon_match_discount') }} as discount_amount
from converted
