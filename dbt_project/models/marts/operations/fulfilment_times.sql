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
        orders.fulfilment_stage,
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

-- A place in the order of times: warehouses have no percentile in common.
ranked as (

    select
        order_week,
        channel,
        hours_to_delivery,
        row_number() over (partition by order_week, channel order by hours_to_delivery asc nulls last) as place,
        count(*) over (partition by order_week, channel) as delivered_count
    from sent
    where hours_to_delivery is not null

),

percentiles as (

    select
        order_week,
        channel,
        max(case when 2 * place <= delivered_count + 1 then hours_to_delivery end) as median_hours_to_delivery,
        min(case when 10 * place >= 9 * delivered_count then hours_to_delivery end) as p90_hours_to_delivery
    from ranked
    group by
        order_week,
        channel

),

totals as (

    select
        order_week,
        channel,
        count(*) as order_count,
        sum(case when shipped_at is not null then 1 else 0 end) as orders_shipped,
        sum(case when delivered_at is not null then 1 else 0 end) as orders_delivered,
        sum(case when parcels_lost > 0 then 1 else 0 end) as orders_with_lost_parcels,
        sum(case when returned_at is not null then 1 else 0 end) as orders_returned,
        sum(parcel_count) as parcel_count,
        avg(hours_to_shipment) as mean_hours_to_shipment,
        avg(hours_to_delivery) as mean_hours_to_delivery
    from sent
    group by
        order_week,
        channel

)

select
    totals.order_week,
    totals.channel,
    totals.order_count,
    cast(totals.orders_shipped as bigint) as orders_shipped,
    cast(totals.orders_delivered as bigint) as orders_delivered,
    cast(totals.orders_with_lost_parcels as bigint) as orders_with_lost_parcels,
    cast(totals.orders_returned as bigint) as orders_returned,
    cast(totals.parcel_count as bigint) as parcel_count,
    cast(totals.mean_hours_to_shipment as numeric(12, 2)) as mean_hours_to_shipment,
    cast(totals.mean_hours_to_delivery as numeric(12, 2)) as mean_hours_to_delivery,
    cast(percentiles.median_hours_to_delivery as numeric(12, 2)) as median_hours_to_delivery,
    cast(percentiles.p90_hours_to_delivery as numeric(12, 2)) as p90_hours_to_delivery,
    {{ ratio('totals.orders_with_lost_parcels', 'totals.order_count') }} as lost_rate,
    {{ ratio('totals.orders_returned', 'totals.orders_delivered') }} as return_rate
from totals
left join percentiles
    on
        totals.order_week = percentiles.order_week
        and totals.channel = percentiles.channel
