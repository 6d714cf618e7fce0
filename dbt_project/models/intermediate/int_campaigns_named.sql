with campaign_targets as (

    select * from {{ ref('stg_marketing__campaign_targets') }}

),

coupon_redemptions as (

    select * from {{ ref('stg_marketing__coupon_redemptions') }}

),

ad_performance as (

    select * from {{ ref('stg_marketing__ad_performance') }}

),

email_events as (

    select * from {{ ref('stg_marketing__email_events') }}

),

coupons as (

    select * from {{ ref('stg_marketing__coupons') }}

)

-- One row each, whatever names it, and however often.
select campaign_id from campaign_targets
where campaign_id is not null
union distinct

select campaign_id from coupon_redemptions
where campaign_id is not null
union distinct

select campaign_id from ad_performance
where campaign_id is not null
union distinct

select campaign_id from email_events
where campaign_id is not null
union distinct

select campaign_id from coupons
where campaign_id is not null
