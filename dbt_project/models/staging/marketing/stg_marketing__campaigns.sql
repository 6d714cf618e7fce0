with source as (

    select * from {{ source_as_of('marketing', 'campaigns') }}

)

select
    campaign_id,
    campaign_type,
    trim(name) as campaign_name,
    start_date,
    end_date,
    budget_amount,
    currency_code,
    updated_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
