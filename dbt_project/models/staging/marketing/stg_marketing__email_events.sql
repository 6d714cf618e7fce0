with source as (

    select * from {{ source_as_of('marketing', 'email_events') }}

)

select
    event_id,
    campaign_id,
    customer_id,
    event_type,
    occurred_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
