-- Every order in fct_order_fulfilment has come as far as its payments, parcels and
-- returns say, each looked up once more by itself. One row an order that differs,
-- is missing or is surplus.
with made as (

    select * from {{ ref('fct_order_fulfilment') }}

),

orders as (

    select * from {{ source_as_of('erp', 'orders') }}

),

payments as (

    select * from {{ source_as_of('erp', 'payments') }}

),

shipments as (

    select * from {{ source_as_of('erp', 'shipments') }}

),

returns as (

    select * from {{ source_as_of('erp', 'returns') }}

),

captured as (

    select
        order_id,
        paid_at,
        row_number() over (partition by order_id order by paid_at asc) as place
    from payments
    where status = 'captured'

),

parcels as (

    select
        order_id,
        count(*) as parcel_count,
        count(shipped_at) as parcels_shipped,
        count(case when status = 'delivered' then 1 end) as parcels_delivered,
        count(case when status = 'lost' then 1 end) as parcels_lost,
        min(shipped_at) as shipped_at,
        max(delivered_at) as delivered_at
    from shipments
    group by order_id

),

came_back as (

    select
        order_id,
        min(returned_at) as returned_at
    from returns
    group by order_id

),

expected as (

    select
        orders.order_id,
        {{ surrogate_key(['orders.customer_id']) }} as customer_key,
        orders.customer_id,
        {{ surrogate_key(['orders.location_id']) }} as location_key,
        orders.location_id,
        orders.channel,
        orders.status as order_status,
        orders.ordered_at,
        {{ business_date('orders.ordered_at') }} as order_date,
        captured.paid_at,
        parcels.shipped_at,
        case when parcels.parcel_count = parcels.parcels_delivered then parcels.delivered_at end as delivered_at,
        came_back.returned_at,
        coalesce(parcels.parcel_count, 0) as parcel_count,
        coalesce(parcels.parcels_shipped, 0) as parcels_shipped,
        coalesce(parcels.parcels_delivered, 0) as parcels_delivered,
        coalesce(parcels.parcels_lost, 0) as parcels_lost,
        orders._load_id as load_id
    from orders
    left join captured on orders.order_id = captured.order_id and captured.place = 1
    left join parcels on orders.order_id = parcels.order_id
    left join came_back on orders.order_id = came_back.order_id

)

{{ rows_that_differ(['order_id'], [
    'customer_key',
    'customer_id',
    'location_key',
    'location_id',
    'channel',
    'order_status',
    'ordered_at',
    'order_date',
    'paid_at',
    'shipped_at',
    'delivered_at',
    'returned_at',
    'parcel_count',
    'parcels_shipped',
    'parcels_delivered',
    'parcels_lost',
    'load_id',
]) }}
