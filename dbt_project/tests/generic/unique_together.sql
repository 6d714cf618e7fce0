{#-
    Keys of several columns that more than one row has, and how many. A row
    with a NULL in any of the columns is left out, as in a unique constraint.
-#}
{%- test unique_together(model, columns) %}

{%- if columns is string or columns | length == 0 %}
    {{- unique_together_needs_a_list_of_columns() -}}
{%- endif %}

select
    {%- for column in columns %}
    {{ sql_identifier(column) }},
    {%- endfor %}
    count(*) as n_records
from {{ model }}
where
    {%- for column in columns %}
    {{ 'and ' if not loop.first }}{{ sql_identifier(column) }} is not null
    {%- endfor %}
group by
    {%- for column in columns %}
    {{ sql_identifier(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
having count(*) > 1

{% endtest -%}
