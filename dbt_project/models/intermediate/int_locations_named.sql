with orders as (

    select * from {{ ref('stg_erp__orders') }}

),

stock_movements as (

    select * from {{ ref('stg_erp__stock_movements') }}

),

promotions as (

    select * from {{ ref('stg_marketing__promotions') }}

)

-- One row each, whatever names it, and however often.
select location_id from orders
where location_id is not null
union distinct

select location_id from stock_movements
where location_id is not null
union distinct

select location_id from promotions
where location_id is not null
