with source as (

    select * from {{ source_versions('crm', 'customers') }}

)

-- Who is deleted is forgotten, also when the number comes back.
select
    customer_id,
    age_band,
    income_band,
    home_ownership,
    marital_status,
    household_size,
    household_composition,
    kids_count,
    status as customer_status,
    marketing_consent,
    registered_at,
    updated_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
where _ended_at is null
