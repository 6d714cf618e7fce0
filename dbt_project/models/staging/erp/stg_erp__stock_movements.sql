with source as (

    select * from {{ source_as_of('erp', 'stock_movements') }}

)

select
    movement_id,
    product_id,
    location_id,
    movement_type,
    quantity,
    unit_cost,
    moved_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
