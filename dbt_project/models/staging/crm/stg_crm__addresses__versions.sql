with forgotten as (

    select customer_id from {{ source_versions('crm', 'customers') }}
    where _ended_at is not null

),

source as (

    select
        *,
        _ended_at is not null and customer_id in (select forgotten.customer_id from forgotten) as _is_forgotten
    from {{ source_versions('crm', 'addresses') }}

)

-- Who deletes an address says that nobody lives there any more, not that nobody ever did; but of
-- a customer who was to be forgotten, where they had lived is forgotten too. Such a version is
-- shown, since it ends the one before, which may be another customer's.
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
    _is_forgotten as is_forgotten,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
