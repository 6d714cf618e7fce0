{#- A whole number that stands under a name in a JSON document; NULL where there is none. -#}
{% macro whole_number_in(document, name) -%}
    {{ return(adapter.dispatch('whole_number_in', 'gatehouse')(document, name)) }}
{%- endmacro %}

{% macro postgres__whole_number_in(document, name) -%}
case when ({{ document }} ->> '{{ name }}') ~ '^[0-9]{1,18}$' then cast({{ document }} ->> '{{ name }}' as bigint) end
{%- endmacro %}

{% macro spark__whole_number_in(document, name) -%}
try_cast(get_json_object({{ document }}, '$.{{ name }}') as bigint)
{%- endmacro %}
