-- ISO weeks around New Year, in years of each kind: the calendar's own range may
-- hold none of the hard ones. One row a day that comes out wrong.
{% set known_days = [
    ('1899-12-31', 1899, 52, 7),
    ('2000-02-29', 2000, 9, 2),
    ('2014-12-28', 2014, 52, 7),
    ('2014-12-29', 2015, 1, 1),
    ('2015-01-01', 2015, 1, 4),
    ('2015-12-31', 2015, 53, 4),
    ('2016-01-03', 2015, 53, 7),
    ('2016-01-04', 2016, 1, 1),
    ('2017-01-01', 2016, 52, 7),
    ('2018-12-31', 2019, 1, 1),
    ('2021-01-03', 2020, 53, 7),
    ('2026-12-31', 2026, 53, 4),
    ('2028-01-02', 2027, 52, 7),
] %}

with known_days as (

    {% for day, year, week, weekday in known_days -%}
    select
        cast('{{ day }}' as date) as date_day,
        {{ year }} as expected_year,
        {{ week }} as expected_week,
        {{ weekday }} as expected_weekday
    {% if not loop.last %}
    union all

    {% endif -%}
    {%- endfor %}
),

thursdays as (

    select
        date_day,
        expected_year,
        expected_week,
        expected_weekday,
        {{ iso_weekday('date_day') }} as iso_weekday,
        {{ iso_thursday('date_day') }} as thursday
    from known_days

),

computed as (

    select
        date_day,
        expected_year,
        expected_week,
        expected_weekday,
        iso_weekday,
        {{ iso_year('thursday') }} as iso_year,
        {{ iso_week('thursday') }} as iso_week
    from thursdays

)

select
    date_day,
    iso_year,
    expected_year,
    iso_week,
    expected_week,
    iso_weekday,
    expected_weekday
from computed
where
    iso_year <> expected_year
    or iso_week <> expected_week
    or iso_weekday <> expected_weekday
