-- Every day from the first to the last, in weeks that hold together: a new one
-- begins on Monday, and the one with the 4th of January is the year's first.
with dates as (

    select * from {{ ref('dim_dates') }}

),

neighbours as (

    select
        date_day,
        month_of_year,
        day_of_month,
        iso_year,
        iso_week,
        iso_weekday,
        iso_week_start,
        lead(date_day) over (order by date_day asc) as next_day,
        lead(iso_weekday) over (order by date_day asc) as next_weekday,
        lead(iso_week) over (order by date_day asc) as next_week
    from dates

)

select
    date_day,
    iso_year,
    iso_week,
    iso_weekday,
    iso_week_start,
    next_day,
    next_weekday,
    next_week
from neighbours
where
    next_day <> {{ add_days(1, 'date_day') }}
    or next_weekday <> mod(iso_weekday, 7) + 1
    or (iso_weekday < 7 and next_week <> iso_week)
    or (iso_weekday = 7 and next_week not in (iso_week + 1, 1))
    or (month_of_year = 1 and day_of_month = 4 and iso_week <> 1)
    or iso_week_start <> {{ add_days('1 - iso_weekday', 'date_day') }}
