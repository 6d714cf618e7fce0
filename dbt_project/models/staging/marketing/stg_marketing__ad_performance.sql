with source as (

    select * from {{ source_as_of('marketing', 'ad_performance') }}

)

select
    campaign_id,
    ad_channel,
    performance_date,
    impressions,
    clicks,
    conversions,
    cost_amount,
    currency_code,
    updated_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
