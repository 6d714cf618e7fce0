-- Every row of fct_coupon_redemptions is one of the source, and says the same.
-- One row a coupon redemption that differs, is missing or is surplus.
{% set compared_columns = [
    'coupon_key',
    'campaign_key',
    'load_id',
] %}

with made as (

    select * from {{ ref('fct_coupon_redemptions') }}

),

coupon_redemptions as (

    select * from {{ source_as_of('marketing', 'coupon_redemptions') }}

),

expected as (

    select
        customer_id,
        coupon_upc,
        campaign_id,
        redeemed_on,
        _load_id as load_id,
        {{ surrogate_key(['campaign_id', 'coupon_upc']) }} as coupon_key,
        {{ surrogate_key(['campaign_id']) }} as campaign_key
    from coupon_redemptions

)

{{ rows_that_differ(['customer_id', 'coupon_upc', 'campaign_id', 'redeemed_on'], compared_columns) }}
