with source as (

    select * from {{ source_as_of('erp', 'suppliers') }}

)

select
    supplier_id,
    trim(name) as supplier_name,
    country_code,
    lower(trim(contact_email)) as contact_email,
    payment_terms_days,
    updated_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
