with order_lines as (

    select * from {{ ref('stg_erp__order_lines') }}

)

select
    order_id,
    {{ surrogate_key(['product_id']) }} as product_key,
    product_id,
    quantity,
    sales_amount,
    retail_discount,
    coupon_discount,
    coupon_match_discount,
    {{ gross_sales('sales_amount', 'retail_discount', 'coupon_match_discount') }} as gross_amount,
    {{ own_discount('retail_discount', 'coupon_match_discount') }} as discount_amount,
    load_id
from order_lines
