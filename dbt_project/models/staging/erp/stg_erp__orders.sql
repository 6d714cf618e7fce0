with source as (

    select * from {{ source_as_of('erp', 'orders') }}

)

select
    order_id,
    customer_id,
    location_id,
    channel,
    status as order_status,
    currency_code,
    ordered_at,
    updated_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
