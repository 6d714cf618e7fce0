with campaigns as (

    select * from {{ ref('stg_marketing__campaigns') }}

),

named as (

    select * from {{ ref('int_campaigns_named') }}

),

-- All that marketing sent, all that facts name, and the unknown member: its number
-- is NULL, for any number may be a record's.
members as (

    select campaign_id from campaigns
    union distinct
    select campaign_id from named
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
