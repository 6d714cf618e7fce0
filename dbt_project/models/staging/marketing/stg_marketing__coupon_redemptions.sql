with source as (

    select * from {{ source_as_of('marketing', 'coupon_redemptions') }}

)

select
    customer_id,
    coupon_upc,
    campaign_id,
    redeemed_on,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
