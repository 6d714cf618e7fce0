{#-
    Rules on how large a value is: numbers, dates and times alike.
    Each is one boolean SQL expression; a row breaks it when it is false, and
    NULL passes. `column` arrives quoted; each _message says what is wanted.
-#}

{%- macro rule_at_least(column, minimum) -%}
    {{- column }} >= {{ sql_literal(minimum) -}}
{%- endmacro -%}

{%- macro rule_at_least_message(column, minimum) -%}
    must be at least {{ minimum -}}
{%- endmacro -%}


{%- macro rule_at_most(column, maximum) -%}
    {{- column }} <= {{ sql_literal(maximum) -}}
{%- endmacro -%}

{%- macro rule_at_most_message(column, maximum) -%}
    must be at most {{ maximum -}}
{%- endmacro -%}


{%- macro rule_between(column, minimum, maximum) -%}
    {{- column }} between {{ sql_literal(minimum) }} and {{ sql_literal(maximum) -}}
{%- endmacro -%}

{%- macro rule_between_message(column, minimum, maximum) -%}
    must be from {{ minimum }} to {{ maximum -}}
{%- endmacro -%}


{%- macro rule_greater_than(column, value) -%}
    {{- column }} > {{ sql_literal(value) -}}
{%- endmacro -%}

{%- macro rule_greater_than_message(column, value) -%}
    must be greater than {{ value -}}
{%- endmacro -%}


{%- macro rule_less_than(column, value) -%}
    {{- column }} < {{ sql_literal(value) -}}
{%- endmacro -%}

{%- macro rule_less_than_message(column, value) -%}
    must be less than {{ value -}}
{%- endmacro -%}


{%- macro rule_not_equal_to(column, value) -%}
    {{- column }} <> {{ sql_literal(value) -}}
{%- endmacro -%}

{%- macro rule_not_equal_to_message(column, value) -%}
    must not be {{ value -}}
{%- endmacro -%}
