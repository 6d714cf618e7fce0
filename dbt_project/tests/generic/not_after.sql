{#- Rows whose value is after that of another column. NULL passes. -#}
{%- test not_after(model, column_name, other) %}

select *
from {{ model }}
where ({{ rule_not_after(column_name, other=other) }}) is false

{% endtest -%}
