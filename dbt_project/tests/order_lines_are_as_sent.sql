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

with made as (

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

)

{{ rows_that_differ(['order_id', 'product_id'], compared_columns) }}
