{#- Rows whose value is not the first day of a month. NULL passes. -#}
{%- test first_of_month(model, column_name) %}

select *
from {{ model }}
where ({{ rule_first_of_month(column_name) }}) is false

{% endtest -%}
