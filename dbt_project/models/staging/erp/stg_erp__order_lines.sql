with source as (

    select * from {{ source_as_of('erp', 'order_lines') }}

)

select
    order_id,
    product_id,
    quantity,
    sales_amount,
    retail_discount,
    coupon_discount,
    coupon_match_discount,
    updated_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
