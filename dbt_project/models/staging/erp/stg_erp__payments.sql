with source as (

    select * from {{ source_as_of('erp', 'payments') }}

)

select
    payment_id,
    order_id,
    method as payment_method,
    status as payment_status,
    amount,
    currency_code,
    paid_at,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
