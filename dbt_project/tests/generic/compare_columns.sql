{#- Rows in which two columns do not stand to each other as told. NULL in either passes. -#}
{%- test compare_columns(model, left, operator, right) %}

select *
from {{ model }}
where ({{ rule_compare_columns(none, left=left, operator=operator, right=right) }}) is false

{% endtest -%}
