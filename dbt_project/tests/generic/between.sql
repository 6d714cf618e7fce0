{#- Rows whose value is outside of minimum to maximum, both included. NULL passes. -#}
{%- test between(model, column_name, minimum, maximum) %}

select *
from {{ model }}
where ({{ rule_between(column_name, minimum=minimum, maximum=maximum) }}) is false

{% endtest -%}
