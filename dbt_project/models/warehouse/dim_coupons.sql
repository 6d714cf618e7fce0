with coupons as (

    select * from {{ ref('stg_marketing__coupons') }}

),

campaigns as (

    select * from {{ ref('stg_marketing__campaigns') }}

),

products as (

    select * from {{ ref('stg_erp__products') }}

),

categories as (

    select * from {{ ref('int_categories_flattened') }}

),

named as (

    select * from {{ ref('int_coupons_named') }}

),

-- The source has a row for each product that a coupon is good for.
offers as (

    select
        coupons.campaign_id,
        coupons.coupon_upc,
        count(*) as product_count,
        min(coalesce(categories.department, 'Unknown')) as first_department,
        max(coalesce(categories.department, 'Unknown')) as last_department,
        max(coupons.load_id) as load_id
    from coupons
    left join products on coupons.product_id = products.product_id
    left join categories on products.category_id = categories.category_id
    group by
        coupons.campaign_id,
        coupons.coupon_upc

),

-- All that marketing sent, all that facts name, and the unknown member: its number
-- is NULL, for any number may be a record's.
members as (

    select
        campaign_id,
        coupon_upc
    from named
    union distinct
    select
        null as campaign_id,
        null as coupon_upc

)

select
    {{ surrogate_key(['members.campaign_id', 'members.coupon_upc']) }} as coupon_key,
    members.coupon_upc,
    {{ surrogate_key(['members.campaign_id']) }} as campaign_key,
    members.campaign_id,
    offers.coupon_upc is null as is_inferred,
    coalesce(campaigns.campaign_name, 'Unknown') as campaign_name,
    coalesce(campaigns.campaign_type, 'Unknown') as campaign_type,
    campaigns.start_date,
    campaigns.end_date,
    coalesce(offers.product_count, 0) as product_count,
    case
        when offers.first_department = offers.last_department then offers.first_department
        when offers.coupon_upc is not null then 'Several'
        else 'Unknown'
    end as department,
    offers.load_id
from members
left join offers
    on
        members.campaign_id = offers.campaign_id
        and members.coupon_upc = offers.coupon_upc
left join campaigns on members.campaign_id = campaigns.campaign_id
