{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['event_id'],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {'source': ['web', 'activity_events'], 'key': {'event_id': 'event_id'}},
            ]
        }
    )
}}

with activity_events as (

    select * from {{ ref('stg_web__activity_events') }}
    {% if is_incremental() %}
    where event_id in (select changed_keys.event_id from {{ changed_keys() }} as changed_keys)
    {% endif %}

)

select
    event_id,
    session_id,
    {{ surrogate_key(['customer_id']) }} as customer_key,
    customer_id,
    {{ surrogate_key(['product_id']) }} as product_key,
    product_id,
    event_type,
    page_path,
    occurred_at,
    {{ business_date('occurred_at') }} as event_date,
    load_id
from activity_events
