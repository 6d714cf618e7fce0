-- By location, stock_cover has all the pieces that movements up to the build's day
-- came to, and all that was sold in the days that demand is counted in: a level
-- that was picked of another day would be missed by no test of the fact. One row a
-- location that differs.
with stock_cover as (

    select * from {{ ref('stock_cover') }}

),

stock_movements as (

    select * from {{ source_as_of('erp', 'stock_movements') }}

),

made as (

    select
        location_id,
        sum(stock_quantity) as stock_quantity,
        sum(units_sold) as units_sold
    from stock_cover
    group by location_id

),

expected as (

    select
        location_id,
        sum(quantity) as stock_quantity,
        sum(
            case
                when
                    movement_type = 'sale'
                    and {{ days_between(business_date('moved_at'), as_of_date()) }} < {{ var('stock_cover_days', 28) }}
                    then -quantity
                else 0
            end
        ) as units_sold
    from stock_movements
    where {{ business_date('moved_at') }} <= {{ as_of_date() }}
    group by location_id

)

{{ rows_that_differ(['location_id'], ['stock_quantity', 'units_sold']) }}
