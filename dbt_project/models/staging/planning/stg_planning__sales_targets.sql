with source as (

    select * from {{ source_as_of('planning', 'sales_targets') }}

)

select
    month as target_month,
    category_id,
    target_amount,
    currency_code,
    nullif(trim(note), '') as note,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
