-- Every line in fct_order_lines says what the source says of it and of its
-- order, worked out here once more and from no other model: sums, and whole
-- tables that are wrong in one way, can't hide it. One row a line that differs, is missing
-- or is surplus.
{% set compared_columns = [
    'customer_id',
    'location_key',
    'location_id',
    'channel',
    'channel_key',
    'order_status',
    'is_cancelled',
    'currency_code',
    'ordered_at',
    'order_date',
    'quantity',
    'sales_amount',
    'retail_discount',
    'coupon_discount',
    'coupon_match_discount',
    'gross_amount',
    'discount_amount',
    'load_id',
    'order_load_id',
] %}

with fact as (

    select * from {{ ref('fct_order_lines') }}

),

order_lines as (

    select * from {{ source_as_of('erp', 'order_lines') }}

),

orders as (

    select * from {{ source_as_of('erp', 'orders') }}

),

expected as (

    select
        order_lines.order_id,
        order_lines.product_id,
        orders.customer_id,
        {{ surrogate_key(['orders.location_id']) }} as location_key,
        orders.location_id,
        orders.channel,
        {{ surrogate_key(['orders.channel']) }} as channel_key,
        orders.status as order_status,
        coalesce(orders.status, '') = 'cancelled' as is_cancelled,
        orders.currency_code,
        orders.ordered_at,
        {{ business_date('orders.ordered_at') }} as order_date,
        order_lines.quantity,
        order_lines.sales_amount,
        order_lines.retail_discount,
        order_lines.coupon_discount,
        order_lines.coupon_match_discount,
        order_lines.sales_amount
        + order_lines.retail_discount
        + order_lines.coupon_match_discount as gross_amount,
        order_lines.retail_discount + order_lines.coupon_match_discount as discount_amount,
        order_lines._load_id as load_id,
        orders._load_id as order_load_id
    from order_lines
    left join orders on order_lines.order_id = orders.order_id

),

compared as (

    select
        coalesce(fact.order_id, expected.order_id) as order_id,
        coalesce(fact.product_id, expected.product_id) as product_id,
        {% for column in compared_columns -%}
        fact.{{ column }},
        expected.{{ column }} as expected_{{ column }},
        {% endfor -%}
        fact.order_id is null as is_missing,
        expected.order_id is null as is_surplus
    from fact
    full outer join expected
        on
            fact.order_id = expected.order_id
            and fact.product_id = expected.product_id

)

select
    order_id,
    product_id,
    {% for column in compared_columns -%}
    {{ column }},
    expected_{{ column }},
    {% endfor -%}
    is_missing,
    is_surplus
from compared
where
    is_missing
    or is_surplus
    {% for column in compared_columns -%}
    or {{ column }} is distinct from expected_{{ column }}
    {% endfor %}
