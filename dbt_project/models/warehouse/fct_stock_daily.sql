{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['location_id', 'product_id'],
        indexes=[{'columns': ['location_id', 'product_id']}],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {
                    'source': ['erp', 'stock_movements'],
                    'key': {'location_id': 'location_id', 'product_id': 'product_id'},
                },
            ]
        }
    )
}}

with stock_movements as (

    select * from {{ ref('stg_erp__stock_movements') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

-- All that moved on one of the shop's days is one row. What the shelf held in
-- between is not said: movements of one moment have no order.
days as (

    select
        location_id,
        product_id,
        {{ business_date('moved_at') }} as stock_date,
        count(*) as movement_count,
        sum(case when movement_type = 'receipt' then quantity else 0 end) as received_quantity,
        sum(case when movement_type = 'return' then quantity else 0 end) as returned_quantity,
        sum(case when movement_type = 'sale' then -quantity else 0 end) as sold_quantity,
        sum(case when movement_type = 'transfer' then quantity else 0 end) as transferred_quantity,
        sum(case when movement_type = 'adjustment' then quantity else 0 end) as adjusted_quantity,
        sum(quantity) as change_quantity,
        max(load_id) as load_id
    from stock_movements
    group by
        location_id,
        product_id,
        {{ business_date('moved_at') }}

),

-- A shelf's changes are replaced together, from its first movement on: what
-- comes late moves every level after it, and the end of the one before.
levels as (

    select
        *,
        sum(change_quantity) over (
            partition by location_id, product_id
            order by stock_date asc nulls last
            rows between unbounded preceding and current row
        ) as stock_quantity,
        lead(stock_date) over (
            partition by location_id, product_id
            order by stock_date asc nulls last
        ) as next_date
    from days

)

select
    {{ surrogate_key(['location_id']) }} as location_key,
    location_id,
    {{ surrogate_key(['product_id']) }} as product_durable_key,
    product_id,
    stock_date,
    {{ add_days(-1, 'next_date') }} as held_until,
    movement_count,
    cast(stock_quantity - change_quantity as bigint) as opening_quantity,
    cast(received_quantity as bigint) as received_quantity,
    cast(returned_quantity as bigint) as returned_quantity,
    cast(sold_quantity as bigint) as sold_quantity,
    cast(transferred_quantity as bigint) as transferred_quantity,
    cast(adjusted_quantity as bigint) as adjusted_quantity,
    cast(stock_quantity as bigint) as stock_quantity,
    load_id
from levels
