with campaigns as (

    select * from {{ ref('dim_campaigns') }}

),

campaign_targets as (

    select * from {{ ref('fct_campaign_targets') }}

),

email_events as (

    select * from {{ ref('fct_email_events') }}

),

-- First by household, so that counting the rows counts distinct households. A mail
-- that is opened twice, or a second mail of the campaign, makes no second household.
households as (

    select
        campaign_key,
        customer_id,
        sum(case when event_type = 'sent' then 1 else 0 end) as mails_sent,
        sum(case when event_type = 'delivered' then 1 else 0 end) as mails_delivered,
        sum(case when event_type = 'bounced' then 1 else 0 end) as mails_bounced,
        max(case when event_type = 'sent' then 1 else 0 end) as was_sent,
        max(case when event_type = 'delivered' then 1 else 0 end) as was_reached,
        max(case when event_type = 'opened' then 1 else 0 end) as has_opened,
        max(case when event_type = 'clicked' then 1 else 0 end) as has_clicked,
        max(case when event_type = 'unsubscribed' then 1 else 0 end) as has_left,
        max(case when event_type = 'complained' then 1 else 0 end) as has_complained
    from email_events
    group by
        campaign_key,
        customer_id

),

funnels as (

    select
        campaign_key,
        cast(sum(mails_sent) as bigint) as mails_sent,
        cast(sum(mails_delivered) as bigint) as mails_delivered,
        cast(sum(mails_bounced) as bigint) as mails_bounced,
        cast(sum(was_sent) as bigint) as households_mailed,
        cast(sum(was_reached) as bigint) as households_reached,
        cast(sum(has_opened) as bigint) as households_opening,
        cast(sum(has_clicked) as bigint) as households_clicking,
        cast(sum(has_left) as bigint) as households_unsubscribing,
        cast(sum(has_complained) as bigint) as households_complaining
    from households
    group by campaign_key

),

reach as (

    {{ households_addressed('campaign_targets') | indent(4) }}

)

select
    campaigns.campaign_key,
    campaigns.campaign_id,
    campaigns.campaign_name,
    campaigns.campaign_type,
    campaigns.start_date,
    campaigns.end_date,
    coalesce(reach.households_addressed, 0) as households_addressed,
    coalesce(funnels.households_mailed, 0) as households_mailed,
    coalesce(funnels.households_reached, 0) as households_reached,
    coalesce(funnels.households_opening, 0) as households_opening,
    coalesce(funnels.households_clicking, 0) as households_clicking,
    coalesce(funnels.households_unsubscribing, 0) as households_unsubscribing,
    coalesce(funnels.households_complaining, 0) as households_complaining,
    coalesce(funnels.mails_sent, 0) as mails_sent,
    coalesce(funnels.mails_delivered, 0) as mails_delivered,
    coalesce(funnels.mails_bounced, 0) as mails_bounced,
    {{ bounce_rate('funnels.mails_bounced', 'funnels.mails_sent') }} as bounce_rate,
    {{ open_rate('funnels.households_opening', 'funnels.households_reached') }} as open_rate,
    {{ click_rate('funnels.households_clicking', 'funnels.households_reached') }} as click_rate
from campaigns
left join reach on campaigns.campaign_key = reach.campaign_key
left join funnels on campaigns.campaign_key = funnels.campaign_key
-- The unknown campaign is a row only where facts stand on it.
where
    campaigns.campaign_key <> {{ unknown_key() }}
    or reach.campaign_key is not null
    or funnels.campaign_key is not null
