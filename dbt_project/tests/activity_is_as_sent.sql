-- Every event in fct_activity says what the source says. One row an event that
-- differs, is missing or is surplus.
{% set app = var('app_user_agent', 'GatehouseShop/') %}

with made as (

    select * from {{ ref('fct_activity') }}

),

activity_events as (

    select * from {{ source_as_of('web', 'activity_events') }}

),

-- The app says its name first.
used as (

    select
        event_id,
        case
            when substr(user_agent, 1, {{ app | length }}) = '{{ app }}' then 'app'
            else 'web'
        end as channel
    from activity_events

),

expected as (

    select
        activity_events.event_id,
        activity_events.session_id,
        activity_events.customer_id,
        activity_events.product_id,
        activity_events.event_type,
        used.channel,
        {{ surrogate_key(['used.channel']) }} as channel_key,
        activity_events.page_path,
        activity_events.occurred_at,
        {{ business_date('activity_events.occurred_at') }} as event_date,
        activity_events._load_id as load_id
    from activity_events
    inner join used on activity_events.event_id = used.event_id

)

{{ rows_that_differ(['event_id'], [
    'session_id',
    'customer_id',
    'product_id',
    'event_type',
    'channel',
    'channel_key',
    'page_path',
    'occurred_at',
    'event_date',
    'load_id',
]) }}
