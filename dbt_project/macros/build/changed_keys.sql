{#- The keys of the calling model whose rows may differ from what the model
    holds: a subquery with the columns of its unique_key.

    Which source changes which keys is said in the model's config:

        config(
            materialized='incremental', incremental_strategy='replace_changed', unique_key=['order_id'],
            meta={'changed_by': [
                {'source': ['erp', 'order_lines'], 'key': {'order_id': 'order_id'}},
                {'source': ['erp', 'orders'], 'key': {'order_id': 'order_id'}},
            ]}
        )
        ...
        {% if is_incremental() %} where {{ is_changed() }} {% endif %}

    A fact that points to the version of a dimension as of its time changes when
    that dimension's history does. `through` names a model that has the columns of
    the fact's unique_key, the dimension's number and the time (`at`, or `on` if it
    is a day):

        {'versions_of': 'dim_customers', 'through': 'int_orders_dated', 'at': 'ordered_at', 'key': ['order_id']} -#}
{% macro changed_keys() -%}
    {%- set kept = kept_changed_keys() -%}
    {{ return(kept.name if kept else find_changed_keys()) }}
{%- endmacro %}

{#- For the `where` of what the calling model reads: whether a row's key, under the
    names of unique_key, is one of changed_keys(). Few are looked up one by one, by the
    indexes of what is read: a join with a view of several parts would read all of it. -#}
{% macro is_changed() -%}
    {%- set columns = [] -%}
    {%- for column in unique_key_columns(model.config.unique_key) -%}
        {%- do columns.append(adapter.quote(column)) -%}
    {%- endfor -%}
    {%- set keys, looked_up = columns | join(', '), [] -%}
    {%- if few_keys_changed() -%}
        {%- for column in columns -%}
            {%- do looked_up.append(column ~ " = any(array(select " ~ column ~ " from " ~ changed_keys() ~ "))") -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if looked_up | length == 1 -%}
        {{ return(looked_up[0]) }}
    {%- endif -%}
    {%- do looked_up.append("(" ~ keys ~ ") in (select " ~ keys ~ " from " ~ changed_keys() ~ " as changed_keys)") -%}
    {{ return(looked_up | join(' and ')) }}
{%- endmacro %}

{#- Whether a build makes the calling model and finds no more keys changed than var
    most_keys_looked_up says. -#}
{% macro few_keys_changed() -%}
    {%- set kept = kept_changed_keys() -%}
    {{ return(kept is not none and kept.count <= var('most_keys_looked_up', 10000)) }}
{%- endmacro %}

{#- {name, count} of a temporary table with the changed keys: they are asked for
    several times by a model and once when its rows are replaced, and the planner
    is to know how few they are. It is of this run's session and as of its build:
    neither the watermark nor the bound moves while the model is made. None where no
    build is: what is compiled or shown looks for the keys itself. -#}
{% macro kept_changed_keys() -%}
    {{ return(adapter.dispatch('kept_changed_keys', 'gatehouse')()) }}
{%- endmacro %}

{#- Elsewhere than beside the ledger they are not kept. -#}
{% macro default__kept_changed_keys() -%}
    {{ return(none) }}
{%- endmacro %}

{% macro postgres__kept_changed_keys() -%}
    {%- if not execute or flags.WHICH not in ['build', 'run'] or model.resource_type != 'model' -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set name = adapter.quote('changed_keys_' ~ local_md5(invocation_id ~ model.unique_id)) -%}
    {%- if run_query("select to_regclass(" ~ sql_literal('pg_temp.' ~ name) ~ ")").rows[0][0] is none -%}
        {%- do run_query("create temporary table " ~ name ~ " as select * from " ~ find_changed_keys() ~ " as found; analyze " ~ name) -%}
    {%- endif -%}
    {{ return({'name': 'pg_temp.' ~ name, 'count': run_query("select count(*) from pg_temp." ~ name).rows[0][0]}) }}
{%- endmacro %}

{#- The same as SQL that finds them. -#}
{% macro find_changed_keys() -%}
    {%- set changed_by = model.config.meta.get('changed_by') -%}
    {%- if execute and not changed_by -%}
        {{ exceptions.raise_compiler_error(model.name ~ ": changed_keys() needs config.meta.changed_by") }}
    {%- endif -%}
    {%- set unique_key = unique_key_columns(model.config.unique_key) -%}
    {%- set lower = model_watermark(this) -%}
    {%- set parts = [] -%}
    {%- for change in changed_by or [] -%}
        {%- if change.get('versions_of') -%}
            {%- for source in version_sources(change.versions_of) -%}
                {%- do parts.append(changed_through(source, change, lower)) -%}
            {%- endfor -%}
        {%- else -%}
            {%- do parts.append(changed_since(change.source[0], change.source[1], change.key, lower)) -%}
        {%- endif -%}
    {%- endfor -%}
(
    {{ parts | join('\n    union\n    ') }}
)
{%- endmacro %}

{#- The same for one source, with a lower bound of one's own: a select of the
    distinct keys of rows brought, and of history entries written, by loads with
    lower < seq <= the build's upper bound. `columns` maps the names the result
    shall have to the source's columns, or is a list where they are the same.
    A row that such a load brought and that a load after the bound already
    replaced is in the history only: it is looked for there too.

    What an undo lets stand again was brought, and noted, by older loads: of each
    key that it touched all versions are taken. A delete's own entry is left out,
    since it has nothing but the key; the version that it took away has one, too. -#}
{% macro changed_since(source_name, table_name, columns, lower) -%}
    {%- set relation = source(source_name, table_name) -%}
    {%- set keys = key_columns(source_node(source_name, table_name)) | join(', ') if execute else 'null' -%}
    {%- set history = history_of(relation) -%}
    {%- set names = [] -%}
    {%- if columns is mapping -%}
        {%- for name, column in columns.items() -%}
            {%- do names.append(adapter.quote(column) ~ ' as ' ~ adapter.quote(name)) -%}
        {%- endfor -%}
    {%- else -%}
        {%- for column in columns -%}{%- do names.append(adapter.quote(column)) -%}{%- endfor -%}
    {%- endif -%}
    {%- set names = names | join(', ') -%}
    {%- set loads -%}
(select load_id from ledger.loads where seq > {{ lower }} and seq <= {{ build_upper_bound() }})
    {%- endset -%}
    {%- set undone -%}
(select {{ keys }} from {{ history }} where _written_load_id in {{ loads }} and _reason in ('undone', 'restored'))
    {%- endset -%}
select {{ names }} from {{ relation }} where _load_id in {{ loads }}
    union
    select {{ names }} from {{ history }} where _load_id in {{ loads }} and not ({{ is_delete() }})
    union
    select {{ names }} from {{ history }} where _written_load_id in {{ loads }} and not ({{ is_delete() }})
    union
    select {{ names }} from {{ relation }} where ({{ keys }}) in {{ undone }}
    union
    select {{ names }} from {{ history }} where ({{ keys }}) in {{ undone }} and not ({{ is_delete() }})
{%- endmacro %}

{#- The sources that the versions of a dimension are made of, as the dimension
    itself says in its config:

        meta={'versions_from': [{'source': ['erp', 'products'], 'number': 'product_id'}]}

    `number` is the column by which facts name the dimension. -#}
{% macro version_sources(dimension) -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == dimension -%}
        {%- if (node.config.meta or {}).get('versions_from') -%}
            {{ return(node.config.meta.versions_from) }}
        {%- endif -%}
    {%- endfor -%}
    {{ exceptions.raise_compiler_error("versions_of: no model " ~ dimension ~ " with config.meta.versions_from") }}
{%- endmacro %}

{#- The keys of facts whose dimension's history has changed. A load touches a key
    of the source by bringing a version or a delete of it, or by an entry in its
    history. Touched are all numbers that any version of the key has ever had,
    and of their facts those at or after the earliest moment that was touched.
    What is earlier points where it did, for the first version holds from the
    beginning of time under a key that does not hang on its moment. Where that was
    the key's first moment, or a version of it was ever deleted or undone, it is
    all facts. -#}
{% macro changed_through(version_source, change, lower) -%}
    {%- set relation = source(version_source.source[0], version_source.source[1]) -%}
    {%- set number, history = adapter.quote(version_source.number), history_of(relation) -%}
    {%- set node = source_node(version_source.source[0], version_source.source[1]) if execute else none -%}
    {%- set own_keys = key_columns(node) if execute else ['null'] -%}
    {%- set moment = moment_column(node) if execute else 'null' -%}
    {%- set keys = own_keys | join(', ') -%}
    {%- set wanted = (own_keys + [number, moment]) | unique | join(', ') -%}
    {%- set names = [] -%}
    {%- for column in change.key -%}{%- do names.append('facts.' ~ adapter.quote(column)) -%}{%- endfor -%}
    {%- set loads -%}
(select load_id from ledger.loads where seq > {{ lower }} and seq <= {{ build_upper_bound() }})
    {%- endset -%}
    {%- set these -%}
({{ keys }}) in (
    select {{ keys }} from {{ relation }} where _load_id in {{ loads }}
    union
    select {{ keys }} from {{ history }} where _load_id in {{ loads }}
    union
    select {{ keys }} from {{ history }} where _written_load_id in {{ loads }}
)
and _load_id not in {{ loads_after_the_bound() }}
    {%- endset -%}
select {{ names | join(', ') }}
from {{ ref(change.through) }} as facts
inner join (
    select {{ number }}, min(_since) as _since
    from (
        select
            {{ number }},
            case
                when
                    bool_or(_was_taken_back) over versions
                    or min({{ moment }}) filter (where _is_touched) over versions <= min({{ moment }}) over versions
                    then {{ beginning_of_time() }}
                else min({{ moment }}) filter (where _is_touched) over versions
            end as _since
        from (
            select {{ wanted }}, _load_id in {{ loads }} as _is_touched, false as _was_taken_back
            from {{ relation }}
            where
                {{ these | indent(16) }}
            union all
            select
                {{ wanted }},
                _load_id in {{ loads }} or _written_load_id in {{ loads }} as _is_touched,
                _reason in ('deleted', 'undone', 'restored') as _was_taken_back
            from {{ history }}
            where
                {{ these | indent(16) }}
        ) as version
        window versions as (partition by {{ keys }})
    ) as versions
    where {{ number }} is not null
    group by {{ number }}
) as changed on facts.{{ number }} = changed.{{ number }}
where
    {%- if change.get('on') %}
    facts.{{ adapter.quote(change.on) }} >= {{ business_date('changed._since') }}
    {%- else %}
    facts.{{ adapter.quote(change.at) }} >= changed._since
    {%- endif %}
{%- endmacro %}

{#- The lower bound of an incremental model: how far its rows have read. -#}
{% macro model_watermark(relation) -%}
coalesce((select seq from ledger.model_watermarks where relation = {{ sql_literal(watermark_name(relation)) }}), 0)
{%- endmacro %}

{% macro watermark_name(relation) -%}
    {{ return(relation.schema ~ '.' ~ relation.identifier) }}
{%- endmacro %}

{% macro unique_key_columns(unique_key) -%}
    {{ return([unique_key] if unique_key is string else (unique_key or []) | list) }}
{%- endmacro %}
