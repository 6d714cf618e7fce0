{#- Arithmetic on days, the same on every warehouse. -#}

{#- Days from the first date to the last: 0 on the same day. -#}
{% macro days_between(first_date, last_date) -%}
    {{ return(dbt.datediff(first_date, last_date, 'day') | trim) }}
{%- endmacro %}

{#- Hours from one moment to another, to two places; NULL where one is not known. -#}
{% macro hours_between(first_moment, last_moment) -%}
    {{ return(adapter.dispatch('hours_between', 'gatehouse')(first_moment, last_moment)) }}
{%- endmacro %}

{% macro postgres__hours_between(first_moment, last_moment) -%}
cast(extract(epoch from {{ last_moment }} - {{ first_moment }}) / 3600 as numeric(12, 2))
{%- endmacro %}

{% macro spark__hours_between(first_moment, last_moment) -%}
cast(cast(unix_micros({{ last_moment }}) - unix_micros({{ first_moment }}) as numeric(24, 0)) / 3600000000 as numeric(12, 2))
{%- endmacro %}

{#- A moment as a whole number: microseconds since 1970, in whatever zone the session is. -#}
{% macro microseconds(moment) -%}
    {{ return(adapter.dispatch('microseconds', 'gatehouse')(moment)) }}
{%- endmacro %}

{% macro postgres__microseconds(moment) -%}
cast(extract(epoch from {{ moment }}) * 1000000 as bigint)
{%- endmacro %}

{% macro spark__microseconds(moment) -%}
unix_micros({{ moment }})
{%- endmacro %}

{#- Before and after all that a door lets in: from when the first version of a
    record holds, and until when the current one does. -#}
{% macro beginning_of_time() -%}
    {{ return(moment_of('0001-01-02 00:00:00+00:00')) }}
{%- endmacro %}

{% macro end_of_time() -%}
    {{ return(moment_of('9999-12-30 00:00:00+00:00')) }}
{%- endmacro %}

{% macro moment_of(text) -%}
    {{ return(adapter.dispatch('moment_of', 'gatehouse')(text)) }}
{%- endmacro %}

{% macro postgres__moment_of(text) -%}
cast('{{ text }}' as timestamp with time zone)
{%- endmacro %}

{% macro spark__moment_of(text) -%}
cast('{{ text }}' as timestamp)
{%- endmacro %}

{#- The date that many days later; `days` is an SQL expression. -#}
{% macro add_days(days, from_date) -%}
cast({{ dbt.dateadd('day', days, from_date) | trim }} as date)
{%- endmacro %}

{#- The date that many months later, of a first day of a month. -#}
{% macro add_months(months, from_date) -%}
cast({{ dbt.dateadd('month', months, from_date) | trim }} as date)
{%- endmacro %}

{#- First day of the month, quarter or year that the date lies in. -#}
{% macro first_day_of(period, in_date) -%}
cast({{ dbt.date_trunc(period, in_date) | trim }} as date)
{%- endmacro %}

{#- Months from the first date's month to the last's: 0 within one month. -#}
{% macro months_between(first_date, last_date) -%}
12 * (cast(extract(year from {{ last_date }}) as integer) - cast(extract(year from {{ first_date }}) as integer))
+ cast(extract(month from {{ last_date }}) as integer) - cast(extract(month from {{ first_date }}) as integer)
{%- endmacro %}

{#- 1 January of a year that stands as a number. -#}
{% macro first_day_of_year(year) -%}
cast({{ dbt.dateadd('year', '(' ~ year ~ ') - 2000', "cast('2000-01-01' as date)") | trim }} as date)
{%- endmacro %}

{#- Monday is 1, Sunday 7. Counted from the first Monday of our era, since
    warehouses number the days of a week in different ways. -#}
{% macro iso_weekday(of_date) -%}
mod({{ days_between("cast('0001-01-01' as date)", of_date) }}, 7) + 1
{%- endmacro %}

{#- The day by which ISO 8601 tells which year a week belongs to. -#}
{% macro iso_thursday(of_date) -%}
{{ add_days('4 - (' ~ iso_weekday(of_date) ~ ')', of_date) }}
{%- endmacro %}

{#- Year and number of the ISO week, given the Thursday of that week. -#}
{% macro iso_year(thursday) -%}
cast(extract(year from {{ thursday }}) as integer)
{%- endmacro %}

{% macro iso_week(thursday) -%}
cast(floor(cast({{ days_between(first_day_of('year', thursday), thursday) }} as numeric(9, 0)) / 7) as integer) + 1
{%- endmacro %}

{#- A select of the whole numbers from 0 to 10^digits - 1, column `n`. -#}
{% macro whole_numbers(digits) -%}
select
    {% for place in range(digits) -%}
    d{{ place }}.n * {{ 10 ** place }}{{ ' + ' if not loop.last }}
    {%- endfor %} as n
from digits as d0
    {%- for place in range(1, digits) %}
cross join digits as d{{ place }}
    {%- endfor %}
{%- endmacro %}

{#- How often the divisor goes into a number that is not negative, whole. -#}
{% macro whole(number, divisor) -%}
cast(floor(cast({{ number }} as numeric(18, 0)) / {{ divisor }}) as integer)
{%- endmacro %}
