{{ config(materialized='view') }}

with returns as (

    select * from {{ ref('fct_returns') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

)

-- Money goes back on the day of the return, the goods are worth what they cost on the order's.
select
    returns.return_id,
    returns.order_id,
    returns.product_key,
    returns.product_id,
    returns.customer_id,
    returns.channel,
    products.department,
    returns.return_date,
    orders.is_cancelled,
    returns.return_reason,
    returns.quantity,
    {{ in_base_currency(
        'returns.refund_amount', 'returns.currency_code', 'refund_rates.rate_to_base'
    ) | indent(4) }} as refund_amount,
    {{ returned_cost_of_goods(
        'returns.return_reason',
        'returns.quantity', 'products.unit_cost', 'products.currency_code', 'cost_rates.rate_to_base'
    ) | indent(4) }} as cost_amount
from returns
inner join orders on returns.order_id = orders.order_id
inner join products on returns.product_key = products.product_key
left join exchange_rates as refund_rates
    on
        returns.currency_code = refund_rates.currency_code
        and returns.currency_code <> {{ base_currency() }}
        and returns.return_date = refund_rates.date_day
left join exchange_rates as cost_rates
    on
        products.currency_code = cost_rates.currency_code
        and products.currency_code <> {{ base_currency() }}
        and orders.order_date = cost_rates.date_day
