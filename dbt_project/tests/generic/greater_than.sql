{#- Rows whose value is not greater than the bound. NULL passes. -#}
{%- test greater_than(model, column_name, value) %}

select *
from {{ model }}
where ({{ rule_greater_than(column_name, value=value) }}) is false

{% endtest -%}
