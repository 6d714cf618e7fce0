with sales as (

    select * from {{ ref('fct_sales') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

locations as (

    select * from {{ ref('dim_locations') }}

),

-- First by order, so that counting the rows counts distinct orders.
order_departments as (

    select
        sales.order_date,
        sales.location_key,
        sales.channel,
        products.department,
        sales.order_id,
        {{ units_sold('sales.quantity') }} as units,
        {{ net_sales('sales.sales_amount') }} as sales_amount,
        {{ total_amount('sales.gross_amount') }} as gross_amount,
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
        sales.order_id

),

department_days as (

    select
        order_date,
        location_key,
        channel,
        department,
        count(*) as distinct_order_count,
        {{ units_sold('units') }} as units,
        {{ net_sales() }} as sales_amount,
        {{ total_amount('gross_amount') }} as gross_amount,
        {{ total_amount('retail_discount') }} as retail_discount,
        {{ total_amount('coupon_match_discount') }} as coupon_match_discount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from order_departments
    group by
        order_date,
        location_key,
        channel,
        department

)

select
    department_days.order_date,
    department_days.location_key,
    locations.location_id,
    locations.location_name,
    locations.region as location_region,
    department_days.channel,
    department_days.department,
    department_days.distinct_order_count,
    department_days.units,
    department_days.gross_amount,
    department_days.retail_discount,
    department_days.coupon_match_discount,
    {{ own_discount('department_days.retail_discount', 'department_days.coupon_match_discount') }} as discount_amount,
    department_days.coupon_discount,
    department_days.sales_amount
from department_days
inner join locations on department_days.location_key = locations.location_key
