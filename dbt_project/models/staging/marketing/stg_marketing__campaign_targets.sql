with source as (

    select * from {{ source_as_of('marketing', 'campaign_targets') }}

)

select
    campaign_id,
    customer_id,
    addressed_on,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
