{#-
    Takes the place of dbt's own accepted_values, whose SQL breaks on a value
    such as `can't`. The same arguments and the same columns come out: each
    value that is not accepted, and how many rows have it. NULL passes.
-#}
{%- test accepted_values(model, column_name, values, quote=true) %}

select
    {{ column_name }} as value_field,
    count(*) as n_records
from {{ model }}
where ({{ rule_accepted_values(column_name, values, quote) }}) is false
group by {{ column_name }}

{% endtest -%}
