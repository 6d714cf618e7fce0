with source as (

    select * from {{ source_as_of('erp', 'categories') }}

)

select
    category_id,
    parent_category_id,
    level as category_level,
    trim(name) as category_name,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
