-- Every coupon in dim_coupons says what marketing says of it and of its campaign.
-- One row a coupon that differs, is missing or is surplus; members that marketing
-- has not sent are left out.
with made as (

    select * from {{ ref('dim_coupons') }}
    where not is_inferred

),

coupons as (

    select * from {{ source_as_of('marketing', 'coupons') }}

),

campaigns as (

    select * from {{ source_as_of('marketing', 'campaigns') }}

),

offers as (

    select
        campaign_id,
        coupon_upc,
        count(distinct product_id) as product_count,
        max(_load_id) as load_id
    from coupons
    group by
        campaign_id,
        coupon_upc

),

expected as (

    select
        offers.campaign_id,
        offers.coupon_upc,
        {{ surrogate_key(['offers.campaign_id', 'offers.coupon_upc']) }} as coupon_key,
        {{ surrogate_key(['offers.campaign_id']) }} as campaign_key,
        coalesce(trim(campaigns.name), 'Unknown') as campaign_name,
        coalesce(campaigns.campaign_type, 'Unknown') as campaign_type,
        campaigns.start_date,
        campaigns.end_date,
        offers.product_count,
        offers.load_id
    from offers
    left join campaigns on offers.campaign_id = campaigns.campaign_id

)

{{ rows_that_differ(['campaign_id', 'coupon_upc'], [
    'coupon_key',
    'campaign_key',
    'campaign_name',
    'campaign_type',
    'start_date',
    'end_date',
    'product_count',
    'load_id',
]) }}
