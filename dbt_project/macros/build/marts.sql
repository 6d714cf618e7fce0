{#- A mart's models are built in <mart>__build and published to <mart>. Also for
    a relation, which has a schema as a node has. -#}
{% macro is_mart(node) -%}
    {{ return(node.schema.endswith('__build')) }}
{%- endmacro %}

{% macro mart_schema_of(mart) -%}
    {{ return(mart.schema.removesuffix('__build')) }}
{%- endmacro %}

{#- Models that BI reads. -#}
{% macro mart_models() -%}
    {%- set marts = [] -%}
    {%- for node in graph.nodes.values() -%}
        {%- if node.resource_type == 'model' and is_mart(node) and node.config.materialized != 'ephemeral' -%}
            {%- do marts.append(node) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(marts | sort(attribute='unique_id')) }}
{%- endmacro %}
