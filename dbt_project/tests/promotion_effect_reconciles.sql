-- What promotion_effect says was sold under a display or mailer, with a baseline
-- or without, is what fct_sales has of products in the stores and days of their
-- promotions. One row a kind that differs.
with effects as (

    select * from {{ ref('promotion_effect') }}

),

promotions as (

    select * from {{ ref('fct_promotions_weekly') }}

),

sales as (

    select * from {{ ref('fct_sales') }}

),

made as (

    select
        promotion_kind,
        sum(sales_amount + sales_without_baseline) as sales_amount
    from effects
    group by promotion_kind

),

expected as (

    select
        promotions.promotion_kind,
        sum(sales.sales_amount) as sales_amount
    from sales
    inner join promotions
        on
            sales.product_id = promotions.product_id
            and sales.location_key = promotions.location_key
            and sales.order_date >= promotions.first_day
            and sales.order_date <= promotions.last_day
    where
        promotions.promotion_kind <> 'none'
        and sales.order_date <= {{ as_of_date() }}
    group by promotions.promotion_kind

)

{{ rows_that_differ(['promotion_kind'], ['sales_amount']) }}
