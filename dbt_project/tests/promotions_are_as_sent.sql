-- Every row of fct_promotions_weekly is what the source says of the product in that
-- store and week. Its days are found in the calendar: what the source calls a week is
-- a day's year, and one more than the Mondays that its year has had after 1 January
-- by then. One row a product, store and week that differs, is missing or is surplus.
with made as (

    select * from {{ ref('fct_promotions_weekly') }}

),

promotions as (

    select * from {{ source_as_of('marketing', 'promotions') }}

),

dates as (

    select * from {{ ref('dim_dates') }}

),

numbered as (

    select
        date_day,
        year_number,
        1 + sum(case when iso_weekday = 1 and day_of_year > 1 then 1 else 0 end) over (
            partition by year_number
            order by date_day asc
        ) as week_number
    from dates

),

weeks as (

    select
        year_number,
        week_number,
        min(date_day) as first_day,
        max(date_day) as last_day
    from numbered
    group by
        year_number,
        week_number

),

ways as (

    select
        product_id,
        location_id,
        year as promotion_year,
        week as promotion_week,
        max(case when display_location = '0' then 0 else 1 end) as is_displayed,
        max(case when mailer_location = '0' then 0 else 1 end) as is_in_mailer,
        count(distinct nullif(display_location, '0')) as display_count,
        count(distinct nullif(mailer_location, '0')) as mailer_count,
        min(nullif(display_location, '0')) as a_display,
        min(nullif(mailer_location, '0')) as a_mailer,
        max(_load_id) as load_id
    from promotions
    group by
        product_id,
        location_id,
        year,
        week

),

expected as (

    select
        ways.product_id,
        ways.location_id,
        ways.promotion_year,
        ways.promotion_week,
        {{ surrogate_key(['ways.product_id']) }} as product_durable_key,
        {{ surrogate_key(['ways.location_id']) }} as location_key,
        weeks.first_day,
        weeks.last_day,
        case 2 * ways.is_displayed + ways.is_in_mailer
            when 3 then 'display_and_mailer'
            when 2 then 'display'
            when 1 then 'mailer'
            else 'none'
        end as promotion_kind,
        ways.display_count,
        ways.mailer_count,
        case when ways.display_count > 1 then 'several' else coalesce(ways.a_display, '0') end as display_location,
        case when ways.mailer_count > 1 then 'several' else coalesce(ways.a_mailer, '0') end as mailer_location,
        ways.load_id
    from ways
    left join weeks
        on
            ways.promotion_year = weeks.year_number
            and ways.promotion_week = weeks.week_number

)

{{ rows_that_differ(['product_id', 'location_id', 'promotion_year', 'promotion_week'], [
    'product_durable_key',
    'location_key',
    'first_day',
    'last_day',
    'promotion_kind',
    'display_count',
    'mailer_count',
    'display_location',
    'mailer_location',
    'load_id',
]) }}
