with coupons as (

    select * from {{ ref('stg_marketing__coupons') }}

),

coupon_redemptions as (

    select * from {{ ref('stg_marketing__coupon_redemptions') }}

)

-- One row each, whatever names it, and however often.
select
    campaign_id,
    coupon_upc
from coupons
union distinct

select
    campaign_id,
    coupon_upc
from coupon_redemptions
