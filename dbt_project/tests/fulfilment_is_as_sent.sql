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
        max(delivered_at) as delivered_at,
        max(_load_id) as load_id
    from shipments
    group by order_id

),

came_back as (

    select
        order_id,
        min(returned_at) as returned_at,
        max(_load_id) as load_id
    from returns
    group by order_id

),

payment_loads as (

    select
        order_id,
        max(_load_id) as load_id
    from payments
    group by order_id

),

reached as (

    select
        orders.order_id,
        orders.customer_id,
        {{ surrogate_key(['orders.location_id']) }} as location_key,
        orders.location_id,
        orders.channel,
        {{ surrogate_key(['orders.channel']) }} as channel_key,
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
        orders._load_id as load_id,
        payment_loads.load_id as payment_load_id,
        parcels.load_id as shipment_load_id,
        came_back.load_id as return_load_id
    from orders
    left join captured on orders.order_id = captured.order_id and captured.place = 1
    left join parcels on orders.order_id = parcels.order_id
    left join came_back on orders.order_id = came_back.order_id
    left join payment_loads on orders.order_id = payment_loads.order_id

),

expected as (

    select
        *,
        coalesce(order_status, '') = 'cancelled' as is_cancelled,
        coalesce(
            case when order_status = 'cancelled' then order_status end,
            case when returned_at is not null then 'returned' end,
            case when delivered_at is not null then 'delivered' end,
            case when parcels_lost > 0 then 'lost' end,
            case when shipped_at is not null then 'shipped' end,
            case when parcel_count > 0 then 'packed' end,
            case when order_status = 'completed' then 'handed_over' end,
            case when paid_at is not null then 'paid' end,
            'placed'
        ) as fulfilment_stage,
        {{ hours_between('ordered_at', 'paid_at') }} as hours_to_payment,
        {{ hours_between('ordered_at', 'shipped_at') }} as hours_to_shipment,
        {{ hours_between('shipped_at', 'delivered_at') }} as hours_on_the_way,
        {{ hours_between('ordered_at', 'delivered_at') }} as hours_to_delivery,
        {{ hours_between('ordered_at', 'returned_at') }} as hours_to_return
    from reached

)

{{ rows_that_differ(['order_id'], [
    'customer_id',
    'location_key',
    'location_id',
    'channel',
    'channel_key',
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
    'is_cancelled',
    'fulfilment_stage',
    'hours_to_payment',
    'hours_to_shipment',
    'hours_on_the_way',
    'hours_to_delivery',
    'hours_to_return',
    'load_id',
    'payment_load_id',
    'shipment_load_id',
    'return_load_id',
]) }}
