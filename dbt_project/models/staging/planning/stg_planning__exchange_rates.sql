with source as (

    select * from {{ source_as_of('planning', 'exchange_rates') }}

)

select
    currency_code,
    rate_date,
    rate_to_base,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
