{#-
    Values and names as SQL text. Pure Jinja: no dbt context, so that the door
    renders the same macros with plain Jinja from dbt's manifest.

    What can't be written down is an error and never a rule that lets all
    through: calling an undefined name is the one way to raise that works in
    dbt and in plain Jinja alike, and the name is the message.
-#}

{%- macro sql_literal(value) -%}
    {%- if value is none -%}
        {{- sql_literal_needs_a_value_and_got_null() -}}
    {%- elif value is boolean -%}
        {{- 'true' if value else 'false' -}}
    {%- elif value is number -%}
        {%- if (value | string | lower) in ['nan', 'inf', '-inf', 'infinity', '-infinity', 'snan'] -%}
            {{- sql_literal_needs_a_finite_number() -}}
        {%- endif -%}
        {{- value -}}
    {%- elif value is string -%}
        '{{- value | replace("'", "''") -}}'
    {%- elif value is iterable -%}
        {{- sql_literal_needs_one_value_and_got_a_list_or_a_mapping_or_nothing() -}}
    {%- else -%}
        {#- Dates and times, which YAML reads from unquoted text. -#}
        '{{- value | string | replace("'", "''") -}}'
    {%- endif -%}
{%- endmacro -%}


{%- macro sql_identifier(name) -%}
    {%- if name is not string or name == '' -%}
        {{- sql_identifier_needs_a_column_name() -}}
    {%- endif -%}
    "{{- name | replace('"', '""') -}}"
{%- endmacro -%}
