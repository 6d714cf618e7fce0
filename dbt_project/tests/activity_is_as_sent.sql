-- Every event in fct_activity says what the source says. One row an event that
-- differs, is missing or is surplus.
with made as (

    select * from {{ ref('fct_activity') }}

),

activity_events as (

    select * from {{ source_as_of('web', 'activity_events') }}

),

expected as (

    select
        event_id,
        session_id,
        customer_id,
        product_id,
        event_type,
        page_path,
        occurred_at,
        {{ business_date('occurred_at') }} as event_date,
        _load_id as load_id
    from activity_events

)

{{ rows_that_differ(['event_id'], [
    'session_id',
    'customer_id',
    'product_id',
    'event_type',
    'page_path',
    'occurred_at',
    'event_date',
    'load_id',
]) }}
