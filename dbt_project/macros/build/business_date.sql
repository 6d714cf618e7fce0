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
