with coupons as (

    select * from {{ ref('stg_marketing__coupons') }}

)

-- By the product's number and not by a key: a coupon is good for the product,
-- whatever was known of it at the time.
select
    {{ surrogate_key(['campaign_id', 'coupon_upc']) }} as coupon_key,
    campaign_id,
    coupon_upc,
    product_id,
    load_id
from coupons
