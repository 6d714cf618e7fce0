{#- A select of the tables that the doors take, each with what its contract
    promises: after how many hours without a load it is late (`warn_after`), and
    overdue (`error_after`). From dbt's own list of sources, so that a new table,
    or another promise, counts with the next build. -#}
{% macro promised_tables() -%}
    {%- set promises = [] -%}
    {%- for node in (graph.sources.values() | sort(attribute='unique_id') if execute else []) if node.loader == 'gatehouse' -%}
        {%- set freshness = (node.config or {}).get('freshness') or node.get('freshness') or {} -%}
        {%- do promises.append(
            "select cast(" ~ sql_literal(node.source_name) ~ " as " ~ text_type() ~ ") as source_name, cast("
            ~ sql_literal(node.name) ~ " as " ~ text_type() ~ ") as table_name, "
            ~ hours_promised(freshness.get('warn_after')) ~ " as late_after_hours, "
            ~ hours_promised(freshness.get('error_after')) ~ " as overdue_after_hours"
        ) -%}
    {%- endfor -%}
    {%- if promises -%}
{{ promises | join('\nunion all\n') }}
    {%- else -%}
select
    cast(null as {{ text_type() }}) as source_name,
    cast(null as {{ text_type() }}) as table_name,
    cast(null as numeric(12, 2)) as late_after_hours,
    cast(null as numeric(12, 2)) as overdue_after_hours
where 1 = 0
    {%- endif -%}
{%- endmacro %}

{#- dbt's {count, period} in hours; NULL where nothing is promised. -#}
{% macro hours_promised(threshold) -%}
    {%- set count = (threshold or {}).get('count') -%}
    {%- set period = (threshold or {}).get('period') | string -%}
    {%- if not count -%}
cast(null as numeric(12, 2))
    {%- elif 'day' in period -%}
cast({{ count * 24 }} as numeric(12, 2))
    {%- elif 'minute' in period -%}
cast({{ count / 60 }} as numeric(12, 2))
    {%- else -%}
cast({{ count }} as numeric(12, 2))
    {%- endif -%}
{%- endmacro %}
