{#- Rows whose value does not match the pattern from end to end. NULL passes. -#}
{%- test matches(model, column_name, pattern, message=none) %}

select *
from {{ model }}
where ({{ rule_matches(column_name, pattern=pattern, message=message) }}) is false

{% endtest -%}
