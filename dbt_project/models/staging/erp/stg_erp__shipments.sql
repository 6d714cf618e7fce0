with source as (

    select * from {{ source_as_of('erp', 'shipments') }}

)

select
    shipment_id,
    order_id,
    location_id,
    trim(carrier) as carrier,
    nullif(trim(tracking_number), '') as tracking_number,
    status as shipment_status,
    shipped_at,
    delivered_at,
    updated_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
