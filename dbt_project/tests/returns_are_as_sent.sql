-- Every return in fct_returns says what the source says of it and of its order.
-- One row a return that differs, is missing or is surplus.
with made as (

    select * from {{ ref('fct_returns') }}

),

returns as (

    select * from {{ source_as_of('erp', 'returns') }}

),

orders as (

    select * from {{ source_as_of('erp', 'orders') }}

),

expected as (

    select
        returns.return_id,
        returns.order_id,
        returns.product_id,
        orders.customer_id,
        {{ surrogate_key(['orders.location_id']) }} as location_key,
        orders.location_id,
        orders.channel,
        {{ surrogate_key(['orders.channel']) }} as channel_key,
        returns.reason as return_reason,
        returns.currency_code,
        returns.returned_at,
        {{ business_date('returns.returned_at') }} as return_date,
        returns.quantity,
        returns.refund_amount,
        returns._load_id as load_id,
        orders._load_id as order_load_id
    from returns
    left join orders on returns.order_id = orders.order_id

)

{{ rows_that_differ(['return_id'], [
    'order_id',
    'product_id',
    'customer_id',
    'location_key',
    'location_id',
    'channel',
    'channel_key',
    'return_reason',
    'currency_code',
    'returned_at',
    'return_date',
    'quantity',
    'refund_amount',
    'load_id',
    'order_load_id',
]) }}
