-- Every event in fct_email_events says what the source says. One row an event that
-- differs, is missing or is surplus.
with made as (

    select * from {{ ref('fct_email_events') }}

),

email_events as (

    select * from {{ source_as_of('marketing', 'email_events') }}

),

expected as (

    select
        event_id,
        {{ surrogate_key(['campaign_id']) }} as campaign_key,
        campaign_id,
        customer_id,
        event_type,
        'email' as channel,
        {{ surrogate_key(["'email'"]) }} as channel_key,
        occurred_at,
        {{ business_date('occurred_at') }} as event_date,
        _load_id as load_id
    from email_events

)

{{ rows_that_differ(['event_id'], [
    'campaign_key',
    'campaign_id',
    'customer_id',
    'event_type',
    'channel',
    'channel_key',
    'occurred_at',
    'event_date',
    'load_id',
]) }}
