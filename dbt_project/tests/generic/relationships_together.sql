{#-
    Rows whose key of several columns has no row in the parent. A row with a
    NULL in any of the columns passes, as in a foreign key. A parent that is a
    source is read as of the build's bound, as the rows themselves are.
-#}
{%- test relationships_together(model, columns, to, fields) %}

{%- if columns is string or columns | length == 0 or columns | length != fields | length %}
    {{- relationships_together_needs_as_many_fields_as_columns() -}}
{%- endif %}

with child as (
    select * from {{ model }}
),

parent as (
    select distinct
        {%- for field in fields %}
        {{ sql_identifier(field) }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation_as_of(to) }}
)

select child.*
from child
where
    {%- for column in columns %}
    child.{{ sql_identifier(column) }} is not null and
    {%- endfor %}
    not exists (
        select 1
        from parent
        where
            {%- for column in columns %}
            {{ 'and ' if not loop.first -}}
            parent.{{ sql_identifier(fields[loop.index0]) }} = child.{{ sql_identifier(column) }}
            {%- endfor %}
    )

{% endtest -%}
