with stock as (

    select * from {{ ref('fct_stock_daily') }}

),

products as (

    select * from {{ ref('dim_products') }}
    where is_current

),

locations as (

    select * from {{ ref('dim_locations') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

shelves as (

    select
        location_id,
        product_id,
        min(stock_date) as first_stocked_on,
        max(case when received_quantity > 0 then stock_date end) as last_received_on,
        max(case when sold_quantity > 0 then stock_date end) as last_sold_on,
        sum(
            case
                when stock_date > {{ add_days('- ' ~ var('stock_cover_days', 28), as_of_date()) }} then sold_quantity
                else 0
            end
        ) as units_sold,
        -- One row of a shelf holds on the build's day.
        sum(case when held_until is null or held_until >= {{ as_of_date() }} then stock_quantity end) as stock_quantity
    from stock
    where stock_date <= {{ as_of_date() }}
    group by
        location_id,
        product_id

),

-- A shelf younger than the days counted has sold in as many as it is old.
demand as (

    select
        *,
        least(
            {{ days_between('first_stocked_on', as_of_date()) }} + 1,
            {{ var('stock_cover_days', 28) }}
        ) as demand_days
    from shelves

),

costs as (

    select
        products.product_id,
        products.product_name,
        products.department,
        products.category,
        products.supplier_name,
        products.product_status,
        cast(products.unit_cost * exchange_rates.rate_to_base as numeric(18, 4)) as unit_cost
    from products
    left join exchange_rates
        on
            products.currency_code = exchange_rates.currency_code
            and exchange_rates.date_day = {{ as_of_date() }}

)

select
    demand.location_id,
    locations.location_name,
    locations.location_type,
    demand.product_id,
    costs.product_name,
    costs.department,
    costs.category,
    costs.supplier_name,
    costs.product_status,
    {{ as_of_date() }} as as_of_date,
    demand.first_stocked_on,
    demand.last_received_on,
    demand.last_sold_on,
    cast(demand.stock_quantity as bigint) as stock_quantity,
    demand.demand_days,
    cast(demand.units_sold as bigint) as units_sold,
    {{ daily_demand('demand.units_sold', 'demand.demand_days') }} as daily_demand,
    {{ stock_cover('demand.stock_quantity', 'demand.units_sold', 'demand.demand_days') }} as days_of_cover,
    case
        when demand.stock_quantity < 0 then 'below_zero'
        when demand.stock_quantity = 0 then 'sold_out'
        when demand.units_sold <= 0 then 'no_demand'
        else 'selling'
    end as cover_status,
    costs.unit_cost,
    {{ stock_value('demand.stock_quantity', 'costs.unit_cost') }} as stock_value
from demand
inner join locations on demand.location_id = locations.location_id
inner join costs on demand.product_id = costs.product_id
