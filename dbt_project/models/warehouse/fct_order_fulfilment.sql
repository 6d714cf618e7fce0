{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['order_id'],
        indexes=[{'columns': ['order_id']}],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {'source': ['erp', 'orders'], 'key': {'order_id': 'order_id'}},
                {'source': ['erp', 'payments'], 'key': {'order_id': 'order_id'}},
                {'source': ['erp', 'shipments'], 'key': {'order_id': 'order_id'}},
                {'source': ['erp', 'returns'], 'key': {'order_id': 'order_id'}},
                {
                    'versions_of': 'dim_customers',
                    'through': 'int_orders_dated',
                    'at': 'ordered_at',
                    'key': ['order_id'],
                },
            ]
        }
    )
}}

with orders as (

    select * from {{ ref('int_orders_dated') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

payments as (

    select * from {{ ref('stg_erp__payments') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

shipments as (

    select * from {{ ref('stg_erp__shipments') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

returns as (

    select * from {{ ref('stg_erp__returns') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

paid as (

    select
        order_id,
        min(case when payment_status = 'captured' then paid_at end) as paid_at,
        max(load_id) as load_id
    from payments
    group by order_id

),

parcels as (

    select
        order_id,
        count(*) as parcel_count,
        sum(case when shipped_at is not null then 1 else 0 end) as parcels_shipped,
        sum(case when shipment_status = 'delivered' then 1 else 0 end) as parcels_delivered,
        sum(case when shipment_status = 'lost' then 1 else 0 end) as parcels_lost,
        min(shipped_at) as shipped_at,
        max(case when shipment_status = 'delivered' then delivered_at end) as last_delivered_at,
        max(load_id) as load_id
    from shipments
    group by order_id

),

returned as (

    select
        order_id,
        min(returned_at) as returned_at,
        max(load_id) as load_id
    from returns
    group by order_id

),

-- An order has come when each of its parcels has; one that was lost never will.
reached as (

    select
        orders.order_id,
        orders.customer_key,
        orders.customer_id,
        orders.location_key,
        orders.location_id,
        orders.channel,
        orders.channel_key,
        orders.order_status,
        orders.is_cancelled,
        orders.ordered_at,
        orders.order_date,
        paid.paid_at,
        parcels.shipped_at,
        case
            when parcels.parcels_delivered = parcels.parcel_count then parcels.last_delivered_at
        end as delivered_at,
        returned.returned_at,
        coalesce(parcels.parcel_count, 0) as parcel_count,
        cast(coalesce(parcels.parcels_shipped, 0) as bigint) as parcels_shipped,
        cast(coalesce(parcels.parcels_delivered, 0) as bigint) as parcels_delivered,
        cast(coalesce(parcels.parcels_lost, 0) as bigint) as parcels_lost,
        orders.load_id,
        paid.load_id as payment_load_id,
        parcels.load_id as shipment_load_id,
        returned.load_id as return_load_id
    from orders
    left join paid on orders.order_id = paid.order_id
    left join parcels on orders.order_id = parcels.order_id
    left join returned on orders.order_id = returned.order_id

)

select
    order_id,
    customer_key,
    customer_id,
    location_key,
    location_id,
    channel,
    channel_key,
    order_status,
    is_cancelled,
    ordered_at,
    order_date,
    paid_at,
    shipped_at,
    delivered_at,
    returned_at,
    parcel_count,
    parcels_shipped,
    parcels_delivered,
    parcels_lost,
    case
        when is_cancelled then 'cancelled'
        when returned_at is not null then 'returned'
        when delivered_at is not null then 'delivered'
        when parcels_lost > 0 then 'lost'
        when shipped_at is not null then 'shipped'
        when parcel_count > 0 then 'packed'
        when order_status = 'completed' then 'handed_over'
        when paid_at is not null then 'paid'
        else 'placed'
    end as fulfilment_stage,
    {{ hours_between('ordered_at', 'paid_at') }} as hours_to_payment,
    {{ hours_between('ordered_at', 'shipped_at') }} as hours_to_shipment,
    {{ hours_between('shipped_at', 'delivered_at') }} as hours_on_the_way,
    {{ hours_between('ordered_at', 'delivered_at') }} as hours_to_delivery,
    {{ hours_between('ordered_at', 'returned_at') }} as hours_to_return,
    load_id,
    payment_load_id,
    shipment_load_id,
    return_load_id
from reached
