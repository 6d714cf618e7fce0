{#- Rows whose value is below the minimum. NULL passes. -#}
{%- test at_least(model, column_name, minimum) %}

select *
from {{ model }}
where ({{ rule_at_least(column_name, minimum=minimum) }}) is false

{% endtest -%}
