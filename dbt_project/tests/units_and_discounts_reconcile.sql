-- Quantities and discounts of what counts as a sale are the same in every table
-- that shows them, and as the source has them: lines of orders that were not
-- cancelled, in the base currency, rounded line by line. One row a table that
-- differs. (sales_amount is in sales_amount_reconciles.)
{% set measures = [
    'units',
    'gross_amount',
    'retail_discount',
    'coupon_match_discount',
    'discount_amount',
    'coupon_discount',
] %}
{% set amounts = ['sales_amount', 'retail_discount', 'coupon_match_discount', 'coupon_discount'] %}
{% set shown_by = [
    'fct_sales',
    'sales_daily',
    'product_performance',
    'revenue_bridge_monthly',
    'orders_daily',
    'orders_wide',
    'customer_360',
] %}
{% set without_units = ['orders_daily', 'orders_wide', 'customer_360'] %}
{% set of_discount_as_a_whole = ['orders_daily', 'customer_360'] %}
{% set of_discount_in_parts = ['revenue_bridge_monthly'] %}

with order_lines as (

    select * from {{ source_as_of('erp', 'order_lines') }}

),

orders as (

    select * from {{ source_as_of('erp', 'orders') }}

),

exchange_rates as (

    select * from {{ source_as_of('planning', 'exchange_rates') }}

),

rates as (

    select
        currency_code,
        rate_to_base,
        rate_date as first_day,
        lead(rate_date) over (
            partition by currency_code
            order by rate_date asc
        ) as day_after_last
    from exchange_rates

),

sold as (

    select
        {% for amount in amounts -%}
        {{ in_base_currency('order_lines.' ~ amount, 'orders.currency_code', 'rates.rate_to_base') }} as {{ amount }},
        {% endfor -%}
        order_lines.quantity
    from order_lines
    inner join orders on order_lines.order_id = orders.order_id
    left join rates
        on
            orders.currency_code = rates.currency_code
            and {{ business_date('orders.ordered_at') }} >= rates.first_day
            and (rates.day_after_last is null or {{ business_date('orders.ordered_at') }} < rates.day_after_last)
    where orders.status <> 'cancelled'

),

expected as (

    select
        {{ units_sold() }} as units,
        {{ total_amount('sales_amount + retail_discount + coupon_match_discount') }} as gross_amount,
        {{ total_amount('retail_discount') }} as retail_discount,
        {{ total_amount('coupon_match_discount') }} as coupon_match_discount,
        {{ total_amount('retail_discount + coupon_match_discount') }} as discount_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from sold

),

-- orders_daily and customer_360 show the shop's own discount and not its parts, the bridge its parts.
shown as (

    {% for model in shown_by -%}
    {% set own = 'null' if model in of_discount_as_a_whole -%}
    {% set quantity = 'quantity' if model == 'fct_sales' else 'units' -%}
    select
        '{{ model }}' as table_name,
        {{ 'null' if model in without_units else units_sold(quantity) }} as units,
        {{ total_amount('gross_amount') }} as gross_amount,
        {{ own or total_amount('retail_discount') }} as retail_discount,
        {{ own or total_amount('coupon_match_discount') }} as coupon_match_discount,
        {{ 'null' if model in of_discount_in_parts else total_amount('discount_amount') }} as discount_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from {{ ref(model) }}
    {% if not loop.last %}
    union all

    {% endif -%}
    {%- endfor %}
)

select
    {% for measure in measures -%}
    shown.{{ measure }},
    expected.{{ measure }} as expected_{{ measure }},
    {% endfor -%}
    shown.table_name
from shown
cross join expected
where
    shown.table_name is null
    {% for measure in measures -%}
    or shown.{{ measure }} <> expected.{{ measure }}
    {% endfor %}
