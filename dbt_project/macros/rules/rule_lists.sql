{#-
    Rules on which values there are. As in all rules: one boolean SQL
    expression, NULL passes.
-#}

{%- macro rule_accepted_values(column, values, quote=true) -%}
    {%- if values is string or values is mapping or values is not sequence or values | length == 0 -%}
        {{- accepted_values_needs_a_list_with_at_least_one_value() -}}
    {%- endif -%}
    {{- column }} in (
    {%- for value in values -%}
        {%- if value is none or (not quote and value is not string) -%}
            {{- sql_literal(value) -}}
        {%- else -%}
            {#- As in dbt, `quote: false` takes text as SQL. -#}
            {{- sql_literal(value | string) if quote else value -}}
        {%- endif -%}
        {{- ', ' if not loop.last -}}
    {%- endfor -%}
    )
{%- endmacro -%}

{%- macro rule_accepted_values_message(column, values, quote=true) -%}
    {#- The first dozen: a person can take in no longer list, and a form offers them all. -#}
    must be one of: {{ values[:12] | join(', ') -}}
    {{- ' and ' ~ (values | length - 12) ~ ' more' if values | length > 12 -}}
{%- endmacro -%}
