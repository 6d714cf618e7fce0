with orders as (

    select * from {{ ref('stg_erp__orders') }}

),

campaign_targets as (

    select * from {{ ref('stg_marketing__campaign_targets') }}

),

coupon_redemptions as (

    select * from {{ ref('stg_marketing__coupon_redemptions') }}

),

email_events as (

    select * from {{ ref('stg_marketing__email_events') }}

),

activity_events as (

    select * from {{ ref('stg_web__activity_events') }}

)

-- One row each, whatever names it, and however often.
select customer_id from orders
where customer_id is not null
union distinct

select customer_id from campaign_targets
where customer_id is not null
union distinct

select customer_id from coupon_redemptions
where customer_id is not null
union distinct

select customer_id from email_events
where customer_id is not null
union distinct

select customer_id from activity_events
where customer_id is not null
