with source as (

    select * from {{ source_versions('crm', 'addresses') }}

)

-- Who deletes an address says that nobody lives there any more, not that nobody ever did.
select
    address_id,
    customer_id,
    address_type,
    nullif(trim(postal_code), '') as postal_code,
    trim(city) as city,
    trim(region) as region,
    country_code,
    updated_at,
    _ended_at as ended_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
