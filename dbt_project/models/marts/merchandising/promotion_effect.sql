with promotions as (

    select * from {{ ref('fct_promotions_weekly') }}
    where first_day <= {{ as_of_date() }}

),

sales as (

    select * from {{ ref('fct_sales') }}

),

products as (

    select * from {{ ref('dim_products') }}
    where is_current

),

dates as (

    select * from {{ ref('dim_dates') }}

),

weeks as (

    select distinct
        first_day,
        last_day
    from promotions

),

week_days as (

    select
        dates.date_day,
        weeks.first_day
    from dates
    inner join weeks
        on
            dates.date_day >= weeks.first_day
            and dates.date_day <= weeks.last_day
    where dates.date_day <= {{ as_of_date() }}

),

week_lengths as (

    select
        first_day,
        count(*) as day_count
    from week_days
    group by first_day

),

-- What a store showed off is known of the weeks that it sent anything of. Another
-- week is no week without promotion: nothing is known of it.
store_weeks as (

    select distinct
        location_key,
        first_day
    from promotions

),

store_totals as (

    select
        store_weeks.location_key,
        count(*) as week_count,
        sum(week_lengths.day_count) as day_count
    from store_weeks
    inner join week_lengths on store_weeks.first_day = week_lengths.first_day
    group by store_weeks.location_key

),

weekly_sales as (

    select
        sales.location_key,
        sales.product_id,
        week_days.first_day,
        {{ units_sold('sales.quantity') }} as units,
        {{ net_sales('sales.sales_amount') }} as sales_amount
    from sales
    inner join week_days on sales.order_date = week_days.date_day
    inner join store_weeks
        on
            sales.location_key = store_weeks.location_key
            and week_days.first_day = store_weeks.first_day
    where sales.product_id is not null
    group by
        sales.location_key,
        sales.product_id,
        week_days.first_day

),

-- What a store never sold in these weeks adds nothing to either side.
pair_totals as (

    select
        location_key,
        product_id,
        {{ units_sold('units') }} as units,
        {{ net_sales() }} as sales_amount
    from weekly_sales
    group by
        location_key,
        product_id

),

promoted as (

    select
        promotions.location_key,
        promotions.product_id,
        promotions.promotion_kind,
        count(*) as week_count,
        sum(week_lengths.day_count) as day_count,
        {{ units_sold('weekly_sales.units') }} as units,
        {{ net_sales('weekly_sales.sales_amount') }} as sales_amount
    from promotions
    inner join pair_totals
        on
            promotions.location_key = pair_totals.location_key
            and promotions.product_id = pair_totals.product_id
    inner join week_lengths on promotions.first_day = week_lengths.first_day
    left join weekly_sales
        on
            promotions.location_key = weekly_sales.location_key
            and promotions.product_id = weekly_sales.product_id
            and promotions.first_day = weekly_sales.first_day
    where promotions.promotion_kind <> 'none'
    group by
        promotions.location_key,
        promotions.product_id,
        promotions.promotion_kind

),

promoted_totals as (

    select
        location_key,
        product_id,
        sum(week_count) as week_count,
        sum(day_count) as day_count,
        {{ units_sold('units') }} as units,
        {{ net_sales() }} as sales_amount
    from promoted
    group by
        location_key,
        product_id

),

-- What is left of the store's weeks, of the product's units and of its sales.
unpromoted as (

    select
        promoted_totals.location_key,
        promoted_totals.product_id,
        store_totals.week_count - promoted_totals.week_count as week_count,
        store_totals.day_count - promoted_totals.day_count as day_count,
        pair_totals.units - promoted_totals.units as units,
        pair_totals.sales_amount - promoted_totals.sales_amount as sales_amount
    from promoted_totals
    inner join store_totals on promoted_totals.location_key = store_totals.location_key
    inner join pair_totals
        on
            promoted_totals.location_key = pair_totals.location_key
            and promoted_totals.product_id = pair_totals.product_id

),

effects as (

    select
        promoted.location_key,
        promoted.product_id,
        promoted.promotion_kind,
        promoted.week_count,
        unpromoted.day_count > 0 as has_baseline,
        promoted.units,
        promoted.sales_amount,
        {{ baseline_sales('unpromoted.units', 'unpromoted.day_count', 'promoted.day_count') }} as baseline_units,
        {{ baseline_sales(
            'unpromoted.sales_amount', 'unpromoted.day_count', 'promoted.day_count'
        ) }} as baseline_sales_amount
    from promoted
    inner join unpromoted
        on
            promoted.location_key = unpromoted.location_key
            and promoted.product_id = unpromoted.product_id

),

categories as (

    select
        products.department,
        products.category,
        effects.promotion_kind,
        count(distinct effects.product_id) as product_count,
        count(distinct effects.location_key) as store_count,
        coalesce(sum(case when effects.has_baseline then effects.week_count end), 0) as week_count,
        coalesce(sum(case when not effects.has_baseline then effects.week_count end), 0) as weeks_without_baseline,
        {{ units_sold('case when effects.has_baseline then effects.units end') }} as units,
        cast(coalesce(sum(effects.baseline_units), 0) as numeric(18, 2)) as baseline_units,
        {{ net_sales('case when effects.has_baseline then effects.sales_amount end') }} as sales_amount,
        {{ total_amount('effects.baseline_sales_amount') }} as baseline_sales_amount,
        {{ net_sales('case when not effects.has_baseline then effects.sales_amount end') }} as sales_without_baseline
    from effects
    inner join products on effects.product_id = products.product_id
    group by
        products.department,
        products.category,
        effects.promotion_kind

)

-- A quotient of few weeks is chance, and is not said.
select
    department,
    category,
    promotion_kind,
    product_count,
    store_count,
    cast(week_count as bigint) as week_count,
    cast(weeks_without_baseline as bigint) as weeks_without_baseline,
    units,
    baseline_units,
    cast(
        case
            when
                week_count >= {{ var('promotion_effect_weeks', 100) }}
                then {{ promotion_lift('units', 'baseline_units') }}
        end as numeric(18, 6)
    ) as unit_lift,
    sales_amount,
    baseline_sales_amount,
    cast(
        case
            when
                week_count >= {{ var('promotion_effect_weeks', 100) }}
                then {{ promotion_lift('sales_amount', 'baseline_sales_amount') }}
        end as numeric(18, 6)
    ) as sales_lift,
    sales_without_baseline
from categories
