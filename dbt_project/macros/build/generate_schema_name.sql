{#- A schema named in the project is the schema in the database, as it is. dbt's
    own macro would put the target's name in front (`warehouse_staging`), and
    BI tools, roles and the docs name schemas literally.

    A mart's model is built in mart_<folder>__build, where <folder> is the
    department's under marts/: a new department is a new folder, and no list
    has to know of it. Only models: a test on a mart has the mart's fqn too. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name -%}
        {{ custom_schema_name | trim }}
    {%- elif node and node.resource_type == 'model' and node.fqn[1] == 'marts' -%}
        {%- if node.fqn | length < 4 -%}
            {{ exceptions.raise_compiler_error(
                "The mart " ~ node.name ~ " lies in no department's folder. Move it to models/marts/<department>/."
            ) }}
        {%- endif -%}
        mart_{{ node.fqn[2] }}__build
    {%- else -%}
        {{ target.schema | trim }}
    {%- endif -%}
{%- endmacro %}
