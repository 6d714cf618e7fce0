{#- Rows whose value is empty or white space only. NULL passes. -#}
{%- test not_blank(model, column_name) %}

select *
from {{ model }}
where ({{ rule_not_blank(column_name) }}) is false

{% endtest -%}
