with source as (

    select * from {{ source_as_of('erp', 'returns') }}

)

select
    return_id,
    order_id,
    product_id,
    quantity,
    refund_amount,
    currency_code,
    reason as return_reason,
    returned_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
