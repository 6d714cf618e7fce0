{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['event_id'],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {'source': ['marketing', 'email_events'], 'key': {'event_id': 'event_id'}},
            ]
        }
    )
}}

with email_events as (

    select * from {{ ref('stg_marketing__email_events') }}
    {% if is_incremental() %}
    where event_id in (select changed_keys.event_id from {{ changed_keys() }} as changed_keys)
    {% endif %}

)

select
    event_id,
    {{ surrogate_key(['campaign_id']) }} as campaign_key,
    campaign_id,
    {{ surrogate_key(['customer_id']) }} as customer_key,
    customer_id,
    event_type,
    occurred_at,
    {{ business_date('occurred_at') }} as event_date,
    load_id
from email_events
