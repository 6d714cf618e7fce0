{#- Surrogate keys. They are a function of the natural key alone, so that any
    build, full or incremental, on any machine gives a record the same key, and
    a fact needs no lookup to know it. -#}

{#- 64 bits of a hash over the columns (SQL expressions); the unknown member's
    key where one of them is NULL. Two of n records share a key with a
    probability of about n^2 / 2^65: 2 in 10 billion for 92,331 products, and
    the tests of the dimensions' keys would show it. -#}
{% macro surrogate_key(columns) -%}
case
    {% for column in columns -%}
    when {{ column }} is null then {{ unknown_key() }}
    {% endfor -%}
    else {{ hashed_key(columns) }}
end
{%- endmacro %}

{% macro hashed_key(columns) -%}
    {{ return(adapter.dispatch('hashed_key', 'gatehouse')(columns)) }}
{%- endmacro %}

{% macro key_text(columns) -%}
    {%- for column in columns -%}
        cast({{ column }} as {{ text_type() }}){{ " || '|' || " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro postgres__hashed_key(columns) -%}
cast(cast('x' || substr(md5({{ key_text(columns) }}), 1, 16) as bit(64)) as bigint)
{%- endmacro %}

{#- The same number as on Postgres: conv reads the 16 digits as a signed one. -#}
{% macro spark__hashed_key(columns) -%}
cast(conv(substr(md5({{ key_text(columns) }}), 1, 16), 16, -10) as bigint)
{%- endmacro %}

{#- The warehouse's type for text. -#}
{% macro text_type() -%}
    {{ return(dbt.type_string()) }}
{%- endmacro %}

{#- Key of every dimension's unknown member. Its natural key is NULL: whatever
    number a source gives a record, that record has a key of its own. -#}
{% macro unknown_key() -%}
-1
{%- endmacro %}

{#- Key of a version of a dimension's member. The first one has the member's own
    key, whatever its moment: it holds from the beginning of time, and what a fact
    names before its record has come points to it already. -#}
{% macro version_key(columns, moment, is_first) -%}
case
    when {{ is_first }} then {{ hashed_key(columns) }}
    else {{ hashed_key(columns + [microseconds(moment)]) }}
end
{%- endmacro %}
