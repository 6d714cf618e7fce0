{#-
    Rules on a row as a whole. They stand under a table, not a column, so
    `column` is none. As in all rules a row passes when NULL makes the
    expression unknown: say `x is not null and ...` where it must not.
-#}

{%- macro rule_compare_columns(column, left, operator, right) -%}
    {%- if operator not in ['=', '<>', '<', '<=', '>', '>='] -%}
        {{- compare_columns_needs_one_of_the_operators_eq_ne_lt_le_gt_ge() -}}
    {%- endif -%}
    {{- sql_identifier(left) }} {{ operator }} {{ sql_identifier(right) -}}
{%- endmacro -%}

{%- macro rule_compare_columns_message(column, left, operator, right) -%}
    {%- set words = {
        '=': 'equal to',
        '<>': 'different from',
        '<': 'less than',
        '<=': 'at most',
        '>': 'greater than',
        '>=': 'at least',
    } -%}
    {{- left }} must be {{ words[operator] }} {{ right -}}
{%- endmacro -%}


{%- macro rule_row_condition(column, expression, message=none) -%}
    {%- if expression is not string or expression | trim == '' -%}
        {{- row_condition_needs_an_expression() -}}
    {%- endif -%}
    ({{ expression }})
{%- endmacro -%}

{%- macro rule_row_condition_message(column, expression, message=none) -%}
    {{- message if message else 'the row must meet this condition: ' ~ expression -}}
{%- endmacro -%}
