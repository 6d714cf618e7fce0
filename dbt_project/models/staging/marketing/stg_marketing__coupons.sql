with source as (

    select * from {{ source_as_of('marketing', 'coupons') }}

)

select
    coupon_upc,
    product_id,
    campaign_id,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
