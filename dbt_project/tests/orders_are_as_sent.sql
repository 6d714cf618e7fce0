-- Every order in fct_orders says what the source says of it, and its totals are
-- those of its lines. One row an order that differs, is missing or is surplus.
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
    'has_lines',
    'line_count',
    'units',
    'sales_amount',
    'retail_discount',
    'coupon_discount',
    'coupon_match_discount',
    'gross_amount',
    'discount_amount',
    'load_id',
] %}

with made as (

    select * from {{ ref('fct_orders') }}

),

orders as (

    select * from {{ source_as_of('erp', 'orders') }}

),

order_lines as (

    select * from {{ source_as_of('erp', 'order_lines') }}

),

totals as (

    select
        order_id,
        count(*) as line_count,
        sum(quantity) as units,
        sum(sales_amount) as sales_amount,
        sum(retail_discount) as retail_discount,
        sum(coupon_discount) as coupon_discount,
        sum(coupon_match_discount) as coupon_match_discount
    from order_lines
    group by order_id

),

expected as (

    select
        orders.order_id,
        orders.customer_id,
        {{ surrogate_key(['orders.location_id']) }} as location_key,
        orders.location_id,
        orders.channel,
        {{ surrogate_key(['orders.channel']) }} as channel_key,
        orders.status as order_status,
        orders.status = 'cancelled' as is_cancelled,
        orders.currency_code,
        orders.ordered_at,
        {{ business_date('orders.ordered_at') }} as order_date,
        totals.order_id is not null as has_lines,
        coalesce(totals.line_count, 0) as line_count,
        coalesce(totals.units, 0) as units,
        coalesce(totals.sales_amount, 0) as sales_amount,
        coalesce(totals.retail_discount, 0) as retail_discount,
        coalesce(totals.coupon_discount, 0) as coupon_discount,
        coalesce(totals.coupon_match_discount, 0) as coupon_match_discount,
        coalesce(totals.sales_amount + totals.retail_discount + totals.coupon_match_discount, 0) as gross_amount,
        coalesce(totals.retail_discount + totals.coupon_match_discount, 0) as discount_amount,
        orders._load_id as load_id
    from orders
    left join totals on orders.order_id = totals.order_id

)

{{ rows_that_differ(['order_id'], compared_columns) }}
