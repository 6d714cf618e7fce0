{#- Rows whose value is above the maximum. NULL passes. -#}
{%- test at_most(model, column_name, maximum) %}

select *
from {{ model }}
where ({{ rule_at_most(column_name, maximum=maximum) }}) is false

{% endtest -%}
