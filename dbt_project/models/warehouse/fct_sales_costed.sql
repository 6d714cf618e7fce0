{{ config(materialized='view') }}

with sales as (

    select * from {{ ref('fct_sales') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

-- A line whose product has no cost, or no rate for it, stays and has no margin.
costed as (

    select
        sales.order_id,
        sales.product_key,
        sales.product_id,
        sales.customer_key,
        sales.customer_id,
        sales.location_key,
        sales.channel,
        sales.order_date,
        products.department,
        sales.quantity,
        sales.sales_amount,
        sales.retail_discount,
        sales.coupon_discount,
        sales.coupon_match_discount,
        sales.gross_amount,
        sales.discount_amount,
        products.unit_cost,
        {{ cost_of_goods(
            'sales.quantity', 'products.unit_cost', 'products.currency_code', 'exchange_rates.rate_to_base'
        ) | indent(8) }} as cost_amount
    from sales
    inner join products on sales.product_key = products.product_key
    left join exchange_rates
        on
            products.currency_code = exchange_rates.currency_code
            and products.currency_code <> {{ base_currency() }}
            and sales.order_date = exchange_rates.date_day

)

select
    order_id,
    product_key,
    product_id,
    customer_key,
    customer_id,
    location_key,
    channel,
    order_date,
    department,
    quantity,
    sales_amount,
    retail_discount,
    coupon_discount,
    coupon_match_discount,
    gross_amount,
    discount_amount,
    unit_cost,
    cost_amount,
    {{ margin('sales_amount', 'cost_amount') }} as margin_amount
from costed
