{#- The end of a test that works a table out once more: of the CTEs `made` (what
    the model made) and `expected`, both with one row a key, the rows that differ
    in a column, are missing or are surplus, with both values beside each other. -#}
{% macro rows_that_differ(keys, columns) -%}
select
    {% for key in keys -%}
    coalesce(made.{{ key }}, expected.{{ key }}) as {{ key }},
    {% endfor -%}
    {% for column in columns -%}
    made.{{ column }},
    expected.{{ column }} as expected_{{ column }},
    {% endfor -%}
    made.{{ keys[0] }} is null as is_missing,
    expected.{{ keys[0] }} is null as is_surplus
from made
full outer join expected
    on
        {% for key in keys -%}
        {{ 'and ' if not loop.first }}made.{{ key }} = expected.{{ key }}
        {% endfor %}
where
    made.{{ keys[0] }} is null
    or expected.{{ keys[0] }} is null
    {% for column in columns -%}
    or made.{{ column }} is distinct from expected.{{ column }}
    {% endfor %}
{%- endmacro %}
