{#- The day of a timestamp in the shop's zone (var business_timezone), whatever
    the session's zone is. `moment` is an SQL expression: timestamptz on
    Postgres; on Spark a timestamp, which Spark keeps as an instant and shows in
    the session's zone. -#}
{% macro business_date(moment) -%}
    {{ return(adapter.dispatch('business_date', 'gatehouse')(moment)) }}
{%- endmacro %}

{% macro postgres__business_date(moment) -%}
cast(({{ moment }}) at time zone '{{ var('business_timezone') }}' as date)
{%- endmacro %}

{% macro spark__business_date(moment) -%}
cast(convert_timezone(current_timezone(), '{{ var('business_timezone') }}', cast({{ moment }} as timestamp_ntz)) as date)
{%- endmacro %}

{#- The moment at which a day begins in the shop's zone; the other way round.
    `day` is an SQL expression of a date. Of an hour that a changed clock skips,
    Postgres and Spark take the moment after. -#}
{% macro start_of_business_day(day) -%}
    {{ return(adapter.dispatch('start_of_business_day', 'gatehouse')(day)) }}
{%- endmacro %}

{% macro postgres__start_of_business_day(day) -%}
(cast({{ day }} as timestamp) at time zone '{{ var('business_timezone') }}')
{%- endmacro %}

{% macro spark__start_of_business_day(day) -%}
to_utc_timestamp(cast({{ day }} as timestamp_ntz), '{{ var('business_timezone') }}')
{%- endmacro %}
