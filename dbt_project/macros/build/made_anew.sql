{#- An incremental model keeps rows that former builds computed. They are of one
    kind with new ones only while they are computed by the same rules; so with
    each model's watermark goes a fingerprint of its rules, and where the rules
    are others now the model is made anew, as by --full-refresh: by keys alone,
    rows whose key no source has any more would stay.

    dbt asks this macro (in is_incremental() and in the materialization) whether
    a model is to be made from nothing. -#}
{% macro should_full_refresh() -%}
    {%- if execute and model.config.materialized == 'incremental' and computed_by() != 'these rules' -%}
        {{ return(true) }}
    {%- endif -%}
    {{ return(dbt.should_full_refresh()) }}
{%- endmacro %}

{#- By what the calling model's rows were computed: 'these rules', 'other rules',
    or none if no watermark tells. -#}
{% macro computed_by() -%}
    {{ return(adapter.dispatch('computed_by', 'gatehouse')()) }}
{%- endmacro %}

{#- Elsewhere than beside the ledger nothing is remembered. -#}
{% macro default__computed_by() -%}
    {{ return('these rules') }}
{%- endmacro %}

{% macro postgres__computed_by() -%}
    {%- set query -%}
select fingerprint = {{ rules_fingerprint() }}
from ledger.model_watermarks
where relation = {{ sql_literal(watermark_name(this)) }}
    {%- endset -%}
    {%- set rows = run_query(query).rows -%}
    {%- if not rows -%}
        {{ return(none) }}
    {%- endif -%}
    {{ return('these rules' if rows[0][0] else 'other rules') }}
{%- endmacro %}

{#- SQL of the fingerprint of all that decides what the calling model's rows are,
    but for the rows they are made from: its rules and those of every node it is
    made from (rules.sql). What stands in the warehouse counts too: a model built
    alone, after a view it reads was edited but not built, is computed by the old
    view; and a column of the source that was widened is the same text in a view,
    but another type in what is made of it. -#}
{% macro rules_fingerprint() -%}
    {%- set rules, views = [], [] -%}
    {%- for node in model_with_ancestors() -%}
        {%- do rules.append(node.unique_id ~ '=' ~ rules_of(node.unique_id)) -%}
        {%- if node.config.materialized == 'view' -%}
            {%- do views.append('(' ~ sql_literal(node.schema) ~ ', ' ~ sql_literal(node.alias) ~ ')') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set fingerprint = local_md5(rules | sort | join('\n')) -%}
    {%- if not views -%}
        {{ return(sql_literal(fingerprint)) }}
    {%- endif -%}
    {%- set with_views -%}
(
    select md5({{ sql_literal(fingerprint) }} || coalesce(string_agg(
        pg_get_viewdef(pg_class.oid) || ' ' || (
            select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ',' order by attnum)
            from pg_attribute
            where attrelid = pg_class.oid
        ),
        ';' order by nspname, relname
    ), ''))
    from pg_class
    inner join pg_namespace on pg_namespace.oid = pg_class.relnamespace
    where relkind = 'v' and (nspname, relname) in ({{ views | join(', ') }})
)
    {%- endset -%}
    {{ return(with_views) }}
{%- endmacro %}

{#- The calling model's node and those it is made from, up to the sources. The
    list of names grows while it is gone through. -#}
{% macro model_with_ancestors() -%}
    {%- set names, nodes = [model.unique_id], [] -%}
    {%- for name in names -%}
        {%- set node = graph.nodes[name] -%}
        {%- do nodes.append(node) -%}
        {%- for parent in (node.depends_on or {}).get('nodes', []) if parent in graph.nodes and parent not in names -%}
            {%- do names.append(parent) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(nodes) }}
{%- endmacro %}
