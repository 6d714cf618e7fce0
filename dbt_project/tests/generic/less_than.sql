{#- Rows whose value is not less than the bound. NULL passes. -#}
{%- test less_than(model, column_name, value) %}

select *
from {{ model }}
where ({{ rule_less_than(column_name, value=value) }}) is false

{% endtest -%}
