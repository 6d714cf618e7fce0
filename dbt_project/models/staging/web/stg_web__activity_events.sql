with source as (

    select * from {{ source_as_of('web', 'activity_events') }}

)

select
    event_id,
    session_id,
    customer_id,
    event_type,
    page_path,
    product_id,
    ip_address,
    user_agent,
    properties,
    occurred_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
