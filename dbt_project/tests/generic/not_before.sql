{#- Rows whose value is before that of another column. NULL passes. -#}
{%- test not_before(model, column_name, other) %}

select *
from {{ model }}
where ({{ rule_not_before(column_name, other=other) }}) is false

{% endtest -%}
