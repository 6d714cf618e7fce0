with campaigns as (

    select * from {{ ref('stg_marketing__campaigns') }}

),

campaign_targets as (

    select * from {{ ref('stg_marketing__campaign_targets') }}

),

coupon_redemptions as (

    select * from {{ ref('stg_marketing__coupon_redemptions') }}

),

-- All that marketing sent, all that facts name, and the unknown member: its number
-- is NULL, for any number may be a record's.
members as (

    select campaign_id from campaigns
    union distinct
    select campaign_id from campaign_targets
    where campaign_id is not null
    union distinct
    select campaign_id from coupon_redemptions
    where campaign_id is not null
    union distinct
    select null as campaign_id

)

select
    {{ surrogate_key(['members.campaign_id']) }} as campaign_key,
    members.campaign_id,
    campaigns.campaign_id is null as is_inferred,
    coalesce(campaigns.campaign_type, 'Unknown') as campaign_type,
    coalesce(campaigns.campaign_name, 'Unknown') as campaign_name,
    campaigns.start_date,
    campaigns.end_date,
    {{ days_between('campaigns.start_date', 'campaigns.end_date') }} + 1 as duration_days,
    campaigns.budget_amount,
    campaigns.currency_code,
    campaigns.load_id
from members
left join campaigns on members.campaign_id = campaigns.campaign_id
