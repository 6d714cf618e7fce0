{#- A schema named in the project is the schema in the database, as it is. dbt's
    own macro would put the target's name in front (`warehouse_staging`), and
    BI tools, roles and the docs name schemas literally. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
