{#- Rows whose value is the one that is not allowed. NULL passes. -#}
{%- test not_equal_to(model, column_name, value) %}

select *
from {{ model }}
where ({{ rule_not_equal_to(column_name, value=value) }}) is false

{% endtest -%}
