{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['order_id'],
        indexes=[{'columns': ['order_id']}],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {'source': ['erp', 'orders'], 'key': {'order_id': 'order_id'}},
                {'source': ['erp', 'order_lines'], 'key': {'order_id': 'order_id'}},
                {
                    'versions_of': 'dim_customers',
                    'through': 'int_orders_dated',
                    'at': 'ordered_at',
                    'key': ['order_id'],
                },
            ]
        }
    )
}}

-- Amounts come from staging, not from fct_order_lines: that model has a lower
-- bound of its own, and built alone the two would miss each other's changes.
with orders as (

    select * from {{ ref('int_orders_dated') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

order_lines as (

    select * from {{ ref('int_order_lines_priced') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

line_totals as (

    select
        order_id,
        count(*) as line_count,
        {{ units_sold() }} as units,
        {{ net_sales() }} as sales_amount,
        {{ total_amount('retail_discount') }} as retail_discount,
        {{ total_amount('coupon_discount') }} as coupon_discount,
        {{ total_amount('coupon_match_discount') }} as coupon_match_discount,
        {{ total_amount('gross_amount') }} as gross_amount,
        {{ total_amount('discount_amount') }} as discount_amount
    from order_lines
    group by order_id

)

select
    orders.order_id,
    orders.customer_key,
    orders.customer_id,
    orders.location_key,
    orders.location_id,
    orders.channel,
    orders.channel_key,
    orders.order_status,
    orders.is_cancelled,
    orders.currency_code,
    orders.ordered_at,
    orders.order_date,
    line_totals.order_id is not null as has_lines,
    coalesce(line_totals.line_count, 0) as line_count,
    coalesce(line_totals.units, 0) as units,
    {{ total_or_zero('line_totals.sales_amount') }} as sales_amount,
    {{ total_or_zero('line_totals.retail_discount') }} as retail_discount,
    {{ total_or_zero('line_totals.coupon_discount') }} as coupon_discount,
    {{ total_or_zero('line_totals.coupon_match_discount') }} as coupon_match_discount,
    {{ total_or_zero('line_totals.gross_amount') }} as gross_amount,
    {{ total_or_zero('line_totals.discount_amount') }} as discount_amount,
    orders.load_id
from orders
left join line_totals on orders.order_id = line_totals.order_id
