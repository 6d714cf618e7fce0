with orders as (

    select * from {{ ref('fct_order_fulfilment') }}

),

dates as (

    select * from {{ ref('dim_dates') }}

),

sent as (

    select
        dates.iso_week_start as order_week,
        orders.channel,
        orders.fulfilment_stage in ('placed', 'paid', 'packed', 'shipped') as is_open,
        orders.parcel_count,
        orders.parcels_lost,
        orders.shipped_at,
        orders.delivered_at,
        orders.returned_at,
        orders.hours_to_shipment,
        orders.hours_to_delivery
    from orders
    inner join dates on orders.order_date = dates.date_day
    where
        orders.channel <> 'store'
        and not orders.is_cancelled

),

-- A place in the order of times: warehouses have no percentile in common. An order on its way is
-- slower than all that have come: without it a week would be as fast as its fastest orders.
ranked as (

    select
        *,
        row_number() over (
            partition by order_week, channel
            order by hours_to_shipment asc nulls last
        ) as shipment_place,
        row_number() over (
            partition by order_week, channel
            order by hours_to_delivery asc nulls last
        ) as delivery_place,
        sum(case when hours_to_shipment is not null or is_open then 1 else 0 end) over (
            partition by order_week, channel
        ) as shipment_places,
        sum(case when hours_to_delivery is not null or is_open then 1 else 0 end) over (
            partition by order_week, channel
        ) as delivery_places
    from sent

),

totals as (

    select
        order_week,
        channel,
        count(*) as order_count,
        sum(case when shipped_at is not null then 1 else 0 end) as orders_shipped,
        sum(case when delivered_at is not null then 1 else 0 end) as orders_delivered,
        sum(case when is_open then 1 else 0 end) as orders_open,
        sum(case when parcels_lost > 0 then 1 else 0 end) as orders_with_lost_parcels,
        sum(case when returned_at is not null then 1 else 0 end) as orders_returned,
        sum(parcel_count) as parcel_count,
        max(
            case when 2 * shipment_place in (shipment_places, shipment_places + 1) then hours_to_shipment end
        ) as median_hours_to_shipment,
        max(
            case when 2 * delivery_place in (delivery_places, delivery_places + 1) then hours_to_delivery end
        ) as median_hours_to_delivery,
        max(
            case
                when
                    10 * delivery_place >= 9 * delivery_places
                    and 10 * (delivery_place - 1) < 9 * delivery_places
                    then hours_to_delivery
            end
        ) as p90_hours_to_delivery
    from ranked
    group by
        order_week,
        channel

)

select
    order_week,
    channel,
    order_count,
    cast(orders_shipped as bigint) as orders_shipped,
    cast(orders_delivered as bigint) as orders_delivered,
    cast(orders_open as bigint) as orders_open,
    cast(orders_with_lost_parcels as bigint) as orders_with_lost_parcels,
    cast(orders_returned as bigint) as orders_returned,
    cast(parcel_count as bigint) as parcel_count,
    cast(median_hours_to_shipment as numeric(12, 2)) as median_hours_to_shipment,
    cast(median_hours_to_delivery as numeric(12, 2)) as median_hours_to_delivery,
    cast(p90_hours_to_delivery as numeric(12, 2)) as p90_hours_to_delivery,
    {{ ratio('orders_with_lost_parcels', 'order_count') }} as lost_rate,
    {{ ratio(
        'case when ' ~ days_between('order_week', as_of_date()) ~ ' >= 6 + ' ~ var('return_rate_days', 42)
        ~ ' then orders_returned end',
        'orders_delivered'
    ) | indent(4) }} as return_rate
from totals
