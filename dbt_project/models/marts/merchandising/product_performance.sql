with products as (

    select * from {{ ref('dim_products') }}
    where is_current

),

sales as (

    select * from {{ ref('fct_sales_costed') }}

),

returns as (

    select * from {{ ref('fct_returns_costed') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

-- A product stands at most once in an order: its lines are its orders. A line
-- of quantity 0 adjusts a coupon and is no sale of the product.
line_totals as (

    select
        {{ surrogate_key(['product_id']) }} as product_durable_key,
        sum(case when quantity > 0 then 1 else 0 end) as order_count,
        min(case when quantity > 0 then order_date end) as first_sold_on,
        max(case when quantity > 0 then order_date end) as last_sold_on,
        {{ units_sold() }} as units,
        {{ total_amount('gross_amount') }} as gross_amount,
        {{ total_amount('retail_discount') }} as retail_discount,
        {{ total_amount('coupon_match_discount') }} as coupon_match_discount,
        {{ total_amount('discount_amount') }} as discount_amount,
        {{ total_amount('coupon_discount') }} as coupon_discount,
        {{ net_sales() }} as sales_amount,
        {{ known_total('cost_amount') }} as cost_amount
    from sales
    group by product_id

),

-- What came back of a cancelled order takes nothing from sales, for it never was one.
return_totals as (

    select
        {{ surrogate_key(['product_id']) }} as product_durable_key,
        {{ units_sold() }} as returned_units,
        {{ known_total('refund_amount') }} as returned_amount
    from returns
    where not is_cancelled
    group by product_id

),

product_totals as (

    select
        products.product_durable_key as product_key,
        products.product_id,
        products.product_name,
        products.department,
        products.category,
        products.product_type,
        products.brand_type,
        products.supplier_name,
        products.supplier_country_code,
        products.product_status,
        {{ in_base_currency(
            'products.list_price', 'products.currency_code', 'exchange_rates.rate_to_base'
        ) | indent(8) }} as list_price,
        cast(products.unit_cost * exchange_rates.rate_to_base as numeric(18, 4)) as unit_cost,
        line_totals.first_sold_on,
        line_totals.last_sold_on,
        cast(coalesce(line_totals.order_count, 0) as bigint) as order_count,
        coalesce(line_totals.units, 0) as units,
        {{ total_or_zero('line_totals.gross_amount') }} as gross_amount,
        {{ total_or_zero('line_totals.retail_discount') }} as retail_discount,
        {{ total_or_zero('line_totals.coupon_match_discount') }} as coupon_match_discount,
        {{ total_or_zero('line_totals.discount_amount') }} as discount_amount,
        {{ total_or_zero('line_totals.coupon_discount') }} as coupon_discount,
        {{ total_or_zero('line_totals.sales_amount') }} as sales_amount,
        cast(
            case when line_totals.product_durable_key is null then 0 else line_totals.cost_amount end as numeric(18, 2)
        ) as cost_amount,
        coalesce(return_totals.returned_units, 0) as returned_units,
        cast(
            case
                when return_totals.product_durable_key is null then 0
                else return_totals.returned_amount
            end as numeric(18, 2)
        ) as returned_amount
    from products
    left join line_totals on products.product_durable_key = line_totals.product_durable_key
    left join return_totals on products.product_durable_key = return_totals.product_durable_key
    left join exchange_rates
        on
            products.currency_code = exchange_rates.currency_code
            and exchange_rates.date_day = {{ as_of_date() }}
    -- The unknown product is a row only where lines stand on it.
    where
        products.product_durable_key <> {{ unknown_key() }}
        or line_totals.product_durable_key is not null

),

product_margins as (

    select
        product_key,
        {{ margin('sales_amount', 'cost_amount') }} as margin_amount
    from product_totals

),

-- The unknown product is none: it has no class, and its sales are no part of what
-- products sell.
cumulated as (

    select
        product_key,
        sum(sales_amount) over (
            order by sales_amount desc nulls first, product_id asc nulls last
            rows between unbounded preceding and current row
        ) - sales_amount as sales_before,
        sum(sales_amount) over () as total_sales
    from product_totals
    where product_id is not null

),

classes as (

    select
        product_key,
        {{ abc_class('sales_before', 'total_sales') }} as abc_class
    from cumulated

)

select
    product_totals.product_key,
    product_totals.product_id,
    product_totals.product_name,
    product_totals.department,
    product_totals.category,
    product_totals.product_type,
    product_totals.brand_type,
    product_totals.supplier_name,
    product_totals.supplier_country_code,
    product_totals.product_status,
    product_totals.list_price,
    product_totals.unit_cost,
    product_totals.first_sold_on,
    product_totals.last_sold_on,
    {{ as_of_date() }} as as_of_date,
    {{ days_between('product_totals.last_sold_on', as_of_date()) }} as days_since_last_sold,
    product_totals.order_count,
    product_totals.units,
    product_totals.gross_amount,
    product_totals.retail_discount,
    product_totals.coupon_match_discount,
    product_totals.discount_amount,
    {{ discount_share('product_totals.discount_amount', 'product_totals.gross_amount') }} as discount_share,
    product_totals.coupon_discount,
    product_totals.sales_amount,
    product_totals.returned_units,
    product_totals.returned_amount,
    product_totals.cost_amount,
    product_margins.margin_amount,
    {{ margin_rate('product_margins.margin_amount', 'product_totals.sales_amount') }} as margin_rate,
    classes.abc_class
from product_totals
inner join product_margins on product_totals.product_key = product_margins.product_key
left join classes on product_totals.product_key = classes.product_key
