with days as (

    select * from {{ ref('int_calendar_days') }}

),

rules as (

    select * from {{ ref('holidays') }}

),

years as (

    select distinct
        {{ first_day_of('year', 'date_day') }} as year_start,
        cast(extract(year from date_day) as integer) as year_number
    from days

),

-- The Gregorian computus of 1876 (an anonymous correspondent of Nature), as in Meeus,
-- Astronomical Algorithms, chapter 8. Whole numbers throughout: floor after each division.
centuries as (

    select
        year_start,
        year_number,
        mod(year_number, 19) as golden,
        {{ whole('year_number', 100) }} as century,
        mod(year_number, 100) as year_of_century
    from years

),

epacts as (

    select
        year_start,
        golden,
        century,
        year_of_century,
        mod(
            19 * golden + century - {{ whole('century', 4) }}
            - {{ whole('century - ' ~ whole('century + 8', 25) ~ ' + 1', 3) }} + 15,
            30
        ) as epact
    from centuries

),

sundays as (

    select
        year_start,
        golden,
        epact,
        mod(
            32 + 2 * mod(century, 4) + 2 * {{ whole('year_of_century', 4) }} - epact - mod(year_of_century, 4),
            7
        ) as to_sunday
    from epacts

),

-- Days after the 22nd of March.
easters as (

    select
        year_start,
        epact + to_sunday - 7 * {{ whole('golden + 11 * epact + 22 * to_sunday', 451) }} as days_after
    from sundays

),

months as (

    select
        rules.holiday_name,
        rules.is_public_holiday,
        rules.rule,
        rules.day_or_weekday,
        rules.occurrence,
        rules.days_later,
        easters.days_after,
        {{ add_months('coalesce(rules.month_of_year, 3) - 1', 'easters.year_start') }} as month_start,
        {{ add_months('coalesce(rules.month_of_year, 3)', 'easters.year_start') }} as next_month_start
    from easters
    inner join rules
        on rules.first_year is null or cast(extract(year from easters.year_start) as integer) >= rules.first_year

),

offsets as (

    select
        holiday_name,
        is_public_holiday,
        month_start,
        days_later + case rule
            when 'day' then day_or_weekday - 1
            when 'weekday'
                then
                    mod(day_or_weekday - ({{ iso_weekday('month_start') }}) + 7, 7) + 7 * (occurrence - 1)
            when 'last_weekday'
                then
                    {{ days_between('month_start', 'next_month_start') }}
                    - 1 - mod(({{ iso_weekday(add_days(-1, 'next_month_start')) }}) - day_or_weekday + 7, 7)
            else 21 + days_after
        end as days_on
    from months

),

dated as (

    select
        holiday_name,
        is_public_holiday,
        {{ add_days('days_on', 'month_start') }} as date_day
    from offsets

)

-- Of two that meet the public one, then the first by name.
select
    date_day,
    case
        when max(case when is_public_holiday then 1 else 0 end) = 1
            then min(case when is_public_holiday then holiday_name end)
        else min(holiday_name)
    end as holiday_name,
    max(case when is_public_holiday then 1 else 0 end) = 1 as is_public_holiday
from dated
group by date_day
