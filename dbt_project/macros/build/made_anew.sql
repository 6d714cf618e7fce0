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
    but for the rows they are made from: its text and that of every node it is
    made from, the project's macros that these call, and the vars that any of
    them names. What stands in the warehouse counts too: a model built alone,
    after a view it reads was edited but not built, is computed by the old view;
    and a column of the source that was widened is the same text in a view, but
    another type in what is made of it. -#}
{% macro rules_fingerprint() -%}
    {%- set nodes = model_with_ancestors() -%}
    {%- set macros = macros_of(nodes) -%}
    {%- set rules, views = [], [] -%}
    {%- set texts = macros.values() | list -%}
    {%- for node in nodes -%}
        {%- do rules.append(node.unique_id ~ '=' ~ node.checksum.checksum) -%}
        {%- do texts.append(node.raw_code or '') -%}
        {%- if node.config.materialized == 'view' -%}
            {%- do views.append('(' ~ sql_literal(node.schema) ~ ', ' ~ sql_literal(node.alias) ~ ')') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for name, text in macros.items() -%}
        {%- do rules.append(name ~ '=' ~ local_md5(text)) -%}
    {%- endfor -%}
    {#- as_of is the build's day, not a rule: it moves with the loads. -#}
    {%- for name in modules.re.findall("\\bvar\\(\\s*['\"](\\w+)['\"]", texts | join('\n')) | unique if name not in ['as_of', 'as_of_source'] -%}
        {%- do rules.append('var ' ~ name ~ '=' ~ (var(name, none) | string)) -%}
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

{#- The calling model's node and those it is made from, up to the sources. Each
    list here grows while it is gone through. -#}
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

{#- {name: text} of the project's macros that nodes call, by whatever way. Not
    the hooks and what dbt calls to write: they decide no row. A dbt that does
    not show the text of a macro is left with the views' definitions. -#}
{% macro macros_of(nodes) -%}
    {%- set own = 'macro.' ~ model.package_name ~ '.' -%}
    {%- set no_rules = ['enter_build', 'move_watermark', 'generate_schema_name'] -%}
    {%- set names, texts = [], {} -%}
    {%- for node in nodes -%}
        {%- for called in (node.depends_on or {}).get('macros', []) if called.startswith(own) and called not in names -%}
            {%- do names.append(called) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for name in names if name.split('.')[2] not in no_rules -%}
        {%- set macro = (context.get(name.split('.')[2]) or {}).macro -%}
        {%- if macro -%}
            {%- do texts.update({name: macro.macro_sql}) -%}
            {%- for called in macro.depends_on.macros if called.startswith(own) and called not in names -%}
                {%- do names.append(called) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(texts) }}
{%- endmacro %}
