-- Every payment in fct_payments says what the source says of it and of its order.
-- One row a payment that differs, is missing or is surplus.
{% set compared_columns = [
    'order_id',
    'customer_id',
    'location_key',
    'location_id',
    'channel',
    'channel_key',
    'payment_method',
    'payment_status',
    'currency_code',
    'paid_at',
    'payment_date',
    'amount',
    'net_amount',
    'load_id',
    'order_load_id',
] %}

with made as (

    select * from {{ ref('fct_payments') }}

),

payments as (

    select * from {{ source_as_of('erp', 'payments') }}

),

orders as (

    select * from {{ source_as_of('erp', 'orders') }}

),

expected as (

    select
        payments.payment_id,
        payments.order_id,
        orders.customer_id,
        {{ surrogate_key(['orders.location_id']) }} as location_key,
        orders.location_id,
        orders.channel,
        {{ surrogate_key(['orders.channel']) }} as channel_key,
        payments.method as payment_method,
        payments.status as payment_status,
        payments.currency_code,
        payments.paid_at,
        {{ business_date('payments.paid_at') }} as payment_date,
        payments.amount,
        case
            when payments.status = 'captured' then payments.amount
            when payments.status = 'refunded' then -payments.amount
            else 0
        end as net_amount,
        payments._load_id as load_id,
        orders._load_id as order_load_id
    from payments
    left join orders on payments.order_id = orders.order_id

)

{{ rows_that_differ(['payment_id'], compared_columns) }}
