with source as (

    select * from {{ source_versions('erp', 'products') }}

)

-- What is deleted has no versions; what comes back begins anew.
select
    product_id,
    trim(name) as product_name,
    category_id,
    supplier_id,
    brand_type,
    nullif(trim(package_size), '') as package_size,
    list_price,
    unit_cost,
    currency_code,
    status as product_status,
    updated_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
where _ended_at is null
