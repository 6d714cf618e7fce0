-- Every level in fct_stock_daily is the sum of all movements of its shelf up to
-- the day's end, added up here once more for each day by itself. One row a shelf
-- and day that differs, is missing or is surplus.
with made as (

    select * from {{ ref('fct_stock_daily') }}

),

stock_movements as (

    select * from {{ source_as_of('erp', 'stock_movements') }}

),

moved as (

    select
        location_id,
        product_id,
        movement_type,
        quantity,
        {{ business_date('moved_at') }} as moved_on,
        _load_id as load_id
    from stock_movements

),

shelf_days as (

    select distinct
        location_id,
        product_id,
        moved_on
    from moved

),

next_days as (

    select
        shelf_days.location_id,
        shelf_days.product_id,
        shelf_days.moved_on,
        min(later.moved_on) as next_moved_on
    from shelf_days
    left join shelf_days as later
        on
            shelf_days.location_id = later.location_id
            and shelf_days.product_id = later.product_id
            and shelf_days.moved_on < later.moved_on
    group by
        shelf_days.location_id,
        shelf_days.product_id,
        shelf_days.moved_on

),

expected as (

    select
        next_days.location_id,
        next_days.product_id,
        next_days.moved_on as stock_date,
        {{ surrogate_key(['next_days.location_id']) }} as location_key,
        {{ surrogate_key(['next_days.product_id']) }} as product_durable_key,
        {{ add_days(-1, 'next_days.next_moved_on') }} as held_until,
        count(case when moved.moved_on = next_days.moved_on then 1 end) as movement_count,
        coalesce(sum(case when moved.moved_on < next_days.moved_on then moved.quantity end), 0) as opening_quantity,
        {% for movement_type, sign, column in [
            ('receipt', '', 'received_quantity'),
            ('return', '', 'returned_quantity'),
            ('sale', '-', 'sold_quantity'),
            ('transfer', '', 'transferred_quantity'),
            ('adjustment', '', 'adjusted_quantity'),
        ] -%}
        coalesce(
            sum(
                case
                    when moved.moved_on = next_days.moved_on and moved.movement_type = '{{ movement_type }}'
                        then {{ sign }}moved.quantity
                end
            ), 0
        ) as {{ column }},
        {% endfor -%}
        sum(moved.quantity) as stock_quantity,
        max(case when moved.moved_on = next_days.moved_on then moved.load_id end) as load_id
    from next_days
    inner join moved
        on
            next_days.location_id = moved.location_id
            and next_days.product_id = moved.product_id
            and next_days.moved_on >= moved.moved_on
    group by
        next_days.location_id,
        next_days.product_id,
        next_days.moved_on,
        next_days.next_moved_on

)

{{ rows_that_differ(['location_id', 'product_id', 'stock_date'], [
    'location_key',
    'product_durable_key',
    'held_until',
    'movement_count',
    'opening_quantity',
    'received_quantity',
    'returned_quantity',
    'sold_quantity',
    'transferred_quantity',
    'adjusted_quantity',
    'stock_quantity',
    'load_id',
]) }}
