{#- Tests on sources see what the models of the build see: the source as of the
    build's bound, not what a load has brought since. Otherwise a parent that was
    deleted a minute ago would fail a build whose models still hold it.

    dbt asks this macro for the relation of every generic test. -#}
{% macro default__get_where_subquery(relation) -%}
    {%- set relation = relation_as_of(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where -%}
        {{ return("(select * from " ~ relation ~ " where " ~ where ~ ") dbt_subquery") }}
    {%- endif -%}
    {{ return(relation) }}
{%- endmacro %}

{#- A relation that a test names itself (`to:` of relationships) as of the build's
    bound. Models are returned as they are: they are of the bound already. -#}
{% macro relation_as_of(relation) -%}
    {%- if execute -%}
        {%- for node in graph.sources.values() -%}
            {%- if node.loader == 'gatehouse' and node.schema == relation.schema and node.identifier == relation.identifier -%}
                {{ return(adapter.dispatch('source_as_of', 'gatehouse')(relation, node.source_name, node.name)) }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(relation) }}
{%- endmacro %}

{#- dbt's own test, with the parents as of the bound too. -#}
{% macro default__test_relationships(model, column_name, to, field) -%}
with child as (
    select {{ column_name }} as from_field
    from {{ model }}
    where {{ column_name }} is not null
),

parent as (
    select {{ field }} as to_field
    from {{ relation_as_of(to) }}
)

select child.from_field
from child
left join parent on parent.to_field = child.from_field
where parent.to_field is null
{%- endmacro %}
