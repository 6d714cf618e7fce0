with order_lines as (

    select * from {{ ref('stg_erp__order_lines') }}

),

returns as (

    select * from {{ ref('stg_erp__returns') }}

),

activity_events as (

    select * from {{ ref('stg_web__activity_events') }}

),

stock_movements as (

    select * from {{ ref('stg_erp__stock_movements') }}

),

promotions as (

    select * from {{ ref('stg_marketing__promotions') }}

),

coupons as (

    select * from {{ ref('stg_marketing__coupons') }}

)

-- One row each, whatever names it, and however often.
select product_id from order_lines
where product_id is not null
union distinct

select product_id from returns
where product_id is not null
union distinct

select product_id from activity_events
where product_id is not null
union distinct

select product_id from stock_movements
where product_id is not null
union distinct

select product_id from promotions
where product_id is not null
union distinct

select product_id from coupons
where product_id is not null
