-- Each redemption of the source stands once in coupon_performance and once in
-- campaign_performance. One row a campaign in which it does not.
with coupon_redemptions as (

    select * from {{ ref('stg_marketing__coupon_redemptions') }}

),

coupons as (

    select * from {{ ref('coupon_performance') }}

),

campaigns as (

    select * from {{ ref('campaign_performance') }}

),

redeemed as (

    select
        campaign_id,
        count(*) as redemptions
    from coupon_redemptions
    group by campaign_id

),

expected as (

    select
        campaigns.campaign_id,
        coalesce(redeemed.redemptions, 0) as redemptions,
        coalesce(redeemed.redemptions, 0) as coupon_redemptions
    from campaigns
    left join redeemed on campaigns.campaign_id = redeemed.campaign_id
    where campaigns.campaign_id is not null

    union all

    select
        redeemed.campaign_id,
        redeemed.redemptions,
        redeemed.redemptions as coupon_redemptions
    from redeemed
    left join campaigns on redeemed.campaign_id = campaigns.campaign_id
    where campaigns.campaign_id is null

),

coupon_totals as (

    select
        campaign_id,
        sum(redemptions) as redemptions
    from coupons
    group by campaign_id

),

made as (

    select
        campaigns.campaign_id,
        campaigns.redemptions,
        coalesce(coupon_totals.redemptions, 0) as coupon_redemptions
    from campaigns
    left join coupon_totals on campaigns.campaign_id = coupon_totals.campaign_id
    where campaigns.campaign_id is not null

)

{{ rows_that_differ(['campaign_id'], ['redemptions', 'coupon_redemptions']) }}
