with source as (

    select * from {{ source_as_of('erp', 'locations') }}

)

select
    location_id,
    location_type,
    trim(name) as location_name,
    trim(city) as city,
    trim(region) as region,
    country_code,
    timezone,
    opened_on,
    updated_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
