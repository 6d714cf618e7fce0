{#-
    Rules on dates and times. Compare like with like: a date set against a
    time with zone would depend on the session's zone.
-#}

{%- macro rule_not_after(column, other) -%}
    {{- column }} <= {{ sql_identifier(other) -}}
{%- endmacro -%}

{%- macro rule_not_after_message(column, other) -%}
    must not be after {{ other -}}
{%- endmacro -%}


{%- macro rule_not_before(column, other) -%}
    {{- column }} >= {{ sql_identifier(other) -}}
{%- endmacro -%}

{%- macro rule_not_before_message(column, other) -%}
    must not be before {{ other -}}
{%- endmacro -%}


{%- macro rule_first_of_month(column) -%}
    extract(day from {{ column }}) = 1
{%- endmacro -%}

{%- macro rule_first_of_month_message(column) -%}
    must be the first day of a month
{%- endmacro -%}
