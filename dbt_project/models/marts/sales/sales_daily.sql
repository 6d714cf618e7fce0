with sales as (

    select * from {{ ref('fct_sales') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

locations as (

    select * from {{ ref('dim_locations') }}

),

category_days as (

    select
        sales.order_date,
        sales.location_key,
        sales.channel,
        products.department,
        products.category,
        count(distinct sales.order_id) as distinct_order_count,
        {{ units_sold('sales.quantity') }} as units,
        {{ net_sales('sales.sales_amount') }} as sales_amount,
        {{ total_amount('sales.retail_discount') }} as retail_discount,
        {{ total_amount('sales.coupon_match_discount') }} as coupon_match_discount,
        {{ total_amount('sales.coupon_discount') }} as coupon_discount
    from sales
    inner join products on sales.product_key = products.product_key
    group by
        sales.order_date,
        sales.location_key,
        sales.channel,
        products.department,
        products.category

)

select
    category_days.order_date,
    category_days.location_key,
    locations.location_id,
    locations.location_name,
    locations.region as location_region,
    category_days.channel,
    category_days.department,
    category_days.category,
    category_days.distinct_order_count,
    category_days.units,
    {{ gross_sales(
        'category_days.sales_amount', 'category_days.retail_discount', 'category_days.coupon_match_discount'
    ) }} as gross_amount,
    category_days.retail_discount,
    category_days.coupon_match_discount,
    {{ own_discount('category_days.retail_discount', 'category_days.coupon_match_discount') }} as discount_amount,
    category_days.coupon_discount,
    category_days.sales_amount
from category_days
inner join locations on category_days.location_key = locations.location_key
