-- Every row of bridge_coupon_products is one of the source, and says the same. One
-- row a coupon and product that differs, is missing or is surplus.
with made as (

    select * from {{ ref('bridge_coupon_products') }}

),

coupons as (

    select * from {{ source_as_of('marketing', 'coupons') }}

),

expected as (

    select
        campaign_id,
        coupon_upc,
        product_id,
        {{ surrogate_key(['campaign_id', 'coupon_upc']) }} as coupon_key,
        _load_id as load_id
    from coupons

)

{{ rows_that_differ(['campaign_id', 'coupon_upc', 'product_id'], ['coupon_key', 'load_id']) }}
