with source as (

    select * from {{ source_as_of('crm', 'customers') }}

)

select
    customer_id,
    trim(first_name) as first_name,
    trim(last_name) as last_name,
    lower(trim(email)) as email,
    nullif(trim(phone), '') as phone,
    birth_date,
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
