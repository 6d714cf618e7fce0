-- Orders and sales of a store that has gaps are those that fct_sales has of it over
-- the counter in the days that are counted, and of a gap it sold none in them. One
-- row a gap that differs.
with gaps as (

    select * from {{ ref('assortment_gaps') }}

),

sales as (

    select * from {{ ref('fct_sales') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

locations as (

    select * from {{ ref('dim_locations') }}

),

sold as (

    select
        locations.location_id,
        products.department,
        products.category,
        products.product_type,
        sales.order_id,
        sales.sales_amount
    from sales
    inner join locations on sales.location_key = locations.location_key
    left join products
        on
            sales.product_id = products.product_id
            and products.is_current
    where
        sales.channel = 'store'
        and sales.quantity > 0
        and {{ days_between('sales.order_date', as_of_date()) }} >= 0
        and {{ days_between('sales.order_date', as_of_date()) }} < {{ var('assortment_days', 91) }}

),

stores as (

    select
        location_id,
        count(distinct order_id) as store_orders,
        sum(sales_amount) as store_sales_amount
    from sold
    group by location_id

),

types_sold as (

    select distinct
        location_id,
        department,
        category,
        product_type
    from sold

)

select
    gaps.location_id,
    gaps.department,
    gaps.category,
    gaps.product_type,
    types_sold.location_id is not null as is_sold,
    gaps.store_orders,
    stores.store_orders as expected_store_orders,
    gaps.store_sales_amount,
    stores.store_sales_amount as expected_store_sales_amount
from gaps
left join stores on gaps.location_id = stores.location_id
left join types_sold
    on
        gaps.location_id = types_sold.location_id
        and gaps.department = types_sold.department
        and gaps.category = types_sold.category
        and gaps.product_type = types_sold.product_type
where
    stores.location_id is null
    or types_sold.location_id is not null
    or gaps.store_orders <> stores.store_orders
    or gaps.store_sales_amount <> stores.store_sales_amount
