{%- set month_names = [
    'January', 'February', 'March', 'April', 'May', 'June',
    'July', 'August', 'September', 'October', 'November', 'December',
] -%}
{%- set weekday_names = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] -%}

with days as (

    select * from {{ ref('int_calendar_days') }}

),

holidays as (

    select * from {{ ref('int_holidays') }}

),

weekdays as (

    select
        date_day,
        {{ iso_weekday('date_day') }} as iso_weekday,
        {{ iso_thursday('date_day') }} as thursday
    from days

),

-- A retail week is from Sunday to Saturday, and belongs to the retail year in which
-- its Wednesday lies, which begins with February: 31 days before, it is the year's.
retail_weeks as (

    select
        date_day,
        iso_weekday,
        thursday,
        {{ add_days('-mod(iso_weekday, 7)', 'date_day') }} as retail_week_start,
        {{ add_days('3 - mod(iso_weekday, 7) - 31', 'date_day') }} as retail_wednesday
    from weekdays

),

retail_years as (

    select
        date_day,
        iso_weekday,
        thursday,
        retail_week_start,
        {{ iso_year('retail_wednesday') }} as retail_year,
        {{ iso_week('retail_wednesday') }} as retail_week
    from retail_weeks

),

-- Quarters of 13 weeks, of 4, 4 and 5; a 53rd week is in the last month.
retail_quarters as (

    select
        date_day,
        iso_weekday,
        thursday,
        retail_week_start,
        retail_year,
        retail_week,
        case
            when retail_week <= 13 then 1
            when retail_week <= 26 then 2
            when retail_week <= 39 then 3
            else 4
        end as retail_quarter
    from retail_years

)

select
    retail_quarters.date_day,
    cast(extract(year from retail_quarters.date_day) as integer) as year_number,
    cast(extract(quarter from retail_quarters.date_day) as integer) as quarter_of_year,
    cast(extract(month from retail_quarters.date_day) as integer) as month_of_year,
    cast(extract(day from retail_quarters.date_day) as integer) as day_of_month,
    {{ days_between(first_day_of('year', 'retail_quarters.date_day'), 'retail_quarters.date_day') }} + 1 as day_of_year,
    case cast(extract(month from retail_quarters.date_day) as integer)
        {%- for month_name in month_names %}
        when {{ loop.index }} then '{{ month_name }}'
        {%- endfor %}
    end as month_name,
    {{ iso_year('retail_quarters.thursday') }} as iso_year,
    {{ iso_week('retail_quarters.thursday') }} as iso_week,
    retail_quarters.iso_weekday,
    case retail_quarters.iso_weekday
        {%- for weekday_name in weekday_names %}
        when {{ loop.index }} then '{{ weekday_name }}'
        {%- endfor %}
    end as weekday_name,
    retail_quarters.iso_weekday > 5 as is_weekend,
    {{ add_days('1 - retail_quarters.iso_weekday', 'retail_quarters.date_day') }} as iso_week_start,
    {{ first_day_of('month', 'retail_quarters.date_day') }} as month_start,
    {{ first_day_of('quarter', 'retail_quarters.date_day') }} as quarter_start,
    {{ first_day_of('year', 'retail_quarters.date_day') }} as year_start,
    retail_quarters.retail_year,
    retail_quarters.retail_quarter,
    3 * (retail_quarters.retail_quarter - 1)
    + case
        when retail_quarters.retail_week - 13 * (retail_quarters.retail_quarter - 1) <= 4 then 1
        when retail_quarters.retail_week - 13 * (retail_quarters.retail_quarter - 1) <= 8 then 2
        else 3
    end as retail_month,
    retail_quarters.retail_week,
    retail_quarters.retail_week_start,
    holidays.holiday_name,
    coalesce(holidays.is_public_holiday, false) as is_public_holiday
from retail_quarters
left join holidays on retail_quarters.date_day = holidays.date_day
