{#- Rows whose value is longer than the maximum, in characters. NULL passes. -#}
{%- test max_length(model, column_name, maximum) %}

select *
from {{ model }}
where ({{ rule_max_length(column_name, maximum=maximum) }}) is false

{% endtest -%}
