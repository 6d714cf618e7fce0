-- Products whose price or cost is lost in product_performance, since their
-- currency has no rate on the build's day: their sales would count and their
-- margin would not. Enter the rate in planning.exchange_rates.
with products as (

    select * from {{ ref('dim_products') }}
    where is_current

),

performance as (

    select * from {{ ref('product_performance') }}

)

select
    products.product_id,
    products.currency_code,
    products.list_price,
    performance.list_price as list_price_in_base,
    products.unit_cost,
    performance.unit_cost as unit_cost_in_base
from products
inner join performance on products.product_durable_key = performance.product_key
where
    (products.list_price is not null and performance.list_price is null)
    or (products.unit_cost is not null and performance.unit_cost is null)
