{#- Rows for which a condition of their own columns is false. Unknown (NULL) passes. -#}
{%- test row_condition(model, expression, message=none) %}

select *
from {{ model }}
where ({{ rule_row_condition(none, expression=expression, message=message) }}) is false

{% endtest -%}
