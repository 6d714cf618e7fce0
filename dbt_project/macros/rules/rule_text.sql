{#-
    Rules on text. As in all rules: one boolean SQL expression, NULL passes.
-#}

{%- macro rule_matches(column, pattern, message=none) -%}
    {#-
        The whole value has to match. regexp_like reads the same on Postgres
        (15 and later) and Spark, where `~` does not exist. The group keeps
        the anchors outside of `a|b`, and does not renumber back-references.
    -#}
    {%- if pattern is not string or pattern == '' -%}
        {{- matches_needs_a_pattern() -}}
    {%- endif -%}
    regexp_like({{ column }}, {{ sql_literal('^(?:' ~ pattern ~ ')$') }})
{%- endmacro -%}

{%- macro rule_matches_message(column, pattern, message=none) -%}
    {{- message if message else 'must have the form ' ~ pattern -}}
{%- endmacro -%}


{%- macro rule_not_blank(column) -%}
    {#- Blank: nothing but spaces, tabs, line ends and no-break spaces. -#}
    btrim({{ column }}, ' ' || chr(9) || chr(10) || chr(13) || chr(160)) <> ''
{%- endmacro -%}

{%- macro rule_not_blank_message(column) -%}
    must not be blank
{%- endmacro -%}


{%- macro rule_max_length(column, maximum) -%}
    length({{ column }}) <= {{ sql_literal(maximum) -}}
{%- endmacro -%}

{%- macro rule_max_length_message(column, maximum) -%}
    must be at most {{ maximum }} characters long
{%- endmacro -%}
