with orders as (

    select * from {{ ref('stg_erp__orders') }}

),

ad_performance as (

    select * from {{ ref('stg_marketing__ad_performance') }}

),

email_events as (

    select * from {{ ref('stg_marketing__email_events') }}

),

activity_events as (

    select * from {{ ref('stg_web__activity_events') }}

)

-- One row each, whatever names it, and however often.
select channel from orders
where channel is not null
union distinct

select ad_channel as channel from ad_performance
where ad_channel is not null
union distinct

select {{ email_channel() }} as channel from email_events
union distinct

select {{ visit_channel('user_agent') }} as channel from activity_events
