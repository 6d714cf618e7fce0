{#- A source table as it stood at the build's upper bound: a subquery with the
    contract's columns, _load_id, _row and _loaded_at, one row a key.

        with orders as (select * from {{ source_as_of('erp', 'orders') }})

    Usually no load has come after the bound: the first of three parts is the
    mirror as it is, and the other two are not even begun. Else the mirror serves
    for keys that no load since has changed, and for the others the version that
    was current is found again in mirror and history. -#}
{% macro source_as_of(source_name, table_name) -%}
    {#- source() is called here, so that the model depends on the source. -#}
    {{ return(adapter.dispatch('source_as_of', 'gatehouse')(source(source_name, table_name), source_name, table_name)) }}
{%- endmacro %}

{#- Elsewhere than beside the ledger there is no history to read: the table as it is. -#}
{% macro default__source_as_of(relation, source_name, table_name) -%}
(select * from {{ relation }})
{%- endmacro %}

{% macro postgres__source_as_of(relation, source_name, table_name) -%}
    {%- if not execute or relation.is_cte -%}
        {#- A unit test gives its own rows in a CTE. -#}
        {{ return('(select * from ' ~ relation ~ ')') }}
    {%- endif -%}
    {%- set node = source_node(source_name, table_name) -%}
    {%- set columns = staging_columns(node) -%}
    {%- set later = loads_after_the_bound() -%}
(
    select {{ columns | join(', ') }}
    from {{ relation }}
    where (select not exists {{ later }})
    union all
    select {{ columns | join(', ') }}
    from {{ relation }} as mirror
    where
        (select exists {{ later }})
        and not exists (select 1 from ledger.loads where load_id = mirror._load_id and seq > {{ build_upper_bound() }})
        and not exists (
            select 1
            from {{ history_of(relation) }} as entry
            where entry._written_load_id in {{ later }}
                {%- for column in key_columns(node) %}
                and entry.{{ column }} = mirror.{{ column }}
                {%- endfor %}
        )
    union all
    {{ versions_current_at_the_bound(relation, node, later) | indent(4) }}
)
{%- endmacro %}

{#- Every version of a source table that stood, or stands, at the build's upper
    bound: a subquery with the columns of source_as_of() and _ended_at, one row a
    key and moment (config.meta.valid_from), for dimensions that show attributes as
    of a time. Of two versions with one moment the one that arrived last.

    Which versions stand is said here and nowhere else: a version holds from its
    moment to the next one's, or to _ended_at, the moment of the first delete that
    ranks above it. A delete at the version's own moment was stated by nobody, or
    by the image of the old row: it counts from when it was loaded. Where _ended_at
    is NULL no delete ranks above the version: it is what an owner who forgets by
    deleting takes. -#}
{% macro source_versions(source_name, table_name) -%}
    {{ return(adapter.dispatch('source_versions', 'gatehouse')(source(source_name, table_name), source_name, table_name)) }}
{%- endmacro %}

{#- Elsewhere than beside the ledger there is no history to read: the table as it is. -#}
{% macro default__source_versions(relation, source_name, table_name) -%}
(select *, cast(null as timestamp) as _ended_at from {{ relation }})
{%- endmacro %}

{% macro postgres__source_versions(relation, source_name, table_name) -%}
    {%- if not execute or relation.is_cte -%}
        {{ return('(select *, cast(null as timestamp with time zone) as _ended_at from ' ~ relation ~ ')') }}
    {%- endif -%}
    {%- set node = source_node(source_name, table_name) -%}
    {%- set columns = staging_columns(node) | join(', ') -%}
    {%- set keys, moment = key_columns(node) | join(', '), moment_column(node) -%}
    {%- set later = loads_after_the_bound() -%}
(
    select {{ columns }}, cast(null as timestamp with time zone) as _ended_at
    from {{ relation }}
    where
        ({{ keys }}) not in (select {{ keys }} from {{ history_of(relation) }})
        and _load_id not in {{ later }}
    union all
    select {{ columns }}, _ended_at
    from (
        {{ versions_arrived_by_the_bound(relation, node, '(' ~ keys ~ ') in (select ' ~ keys ~ ' from ' ~ history_of(relation) ~ ')') | indent(8) }}

        select
            *,
            row_number() over (
                partition by {{ keys }}, {{ moment }}, _is_delete order by _arrived_load_id desc, _arrived_row desc
            ) as _rank_at_its_moment,
            least(
                min({{ moment }}) filter (where _is_delete) over (
                    partition by {{ keys }} order by {{ moment }} groups between 1 following and unbounded following
                ),
                min(_loaded_at) filter (where _is_delete) over (
                    partition by {{ keys }}, {{ moment }} order by _arrived_load_id, _arrived_row
                    rows between 1 following and unbounded following
                )
            ) as _ended_at
        from arrived
        where _undone_by is null or _undone_by < _restored_by
    ) as version
    where _rank_at_its_moment = 1 and not _is_delete
)
{%- endmacro %}

{#- Of every key that a load after the bound has changed: the version that was
    current, if there was one. Of the versions known at the bound and not undone
    by then it is the highest, in the order in which the loader ranks them.

    `later` is SQL of the loads after the bound. -#}
{% macro versions_current_at_the_bound(relation, node, later) -%}
    {%- set keys = key_columns(node) | join(', ') -%}
    {%- set these -%}
(select exists {{ later }})
and ({{ keys }}) in (select {{ keys }} from {{ history_of(relation) }} where _written_load_id in {{ later }})
    {%- endset -%}
select {{ staging_columns(node) | join(', ') }}
from (
    {{ versions_arrived_by_the_bound(relation, node, these) | indent(4) }}

    select distinct on ({{ keys }}) *
    from arrived
    where _undone_by is null or _undone_by < _restored_by
    order by
        {{ keys }},
        {{ rank_of_versions(node) }}
) as highest
where not _is_delete
{%- endmacro %}

{#- The CTEs `known` and `arrived` of a select: every version that a load up to
    the bound brought, once, among those of which the SQL `these` is true. A
    delete is a version too: the history's entry that the load that brought it
    has written itself, with reason `deleted`. (Whether a version had an entry in
    the history by then says little: it stands again when what replaced it was
    undone. It is undone if that was said of it last: `restored` takes it back.) -#}
{% macro versions_arrived_by_the_bound(relation, node, these) -%}
    {%- set columns = staging_columns(node) | join(', ') -%}
    {%- set later = loads_after_the_bound() -%}
with known as (
    select *, _written_load_id not in {{ later }} as _is_known_entry
    from (
        select {{ columns }}, null as _written_load_id, null as _reason
        from {{ relation }}
        union all
        select {{ columns }}, _written_load_id, _reason
        from {{ history_of(relation) }}
    ) as version
    where
        {{ these | indent(8) }}
        and _load_id not in {{ later }}
),

arrived as (
    select distinct on (_load_id, _row)
        {{ columns }},
        max(_written_load_id) filter (where _is_known_entry and _reason = 'undone') over entries as _undone_by,
        max(_written_load_id) filter (where _is_known_entry and _reason = 'restored') over entries as _restored_by,
        coalesce(bool_or({{ is_delete() }}) over entries, false) as _is_delete,
        coalesce(_first_load_id, _load_id) as _arrived_load_id,
        coalesce(_first_row, _row) as _arrived_row
    from known
    left join (
        select resolved_load_id as _load_id, resolved_row as _row, first_load_id as _first_load_id, first_row as _first_row
        from ledger.rejects
    ) as waited using (_load_id, _row)
    window entries as (partition by _load_id, _row)
)
{%- endmacro %}

{#- How the loader ranks the versions of a key, the highest first. -#}
{% macro rank_of_versions(node) -%}
    {%- if node.config.meta.get('valid_from') -%}
{{ adapter.quote(node.config.meta.valid_from) }} desc,{{ ' ' }}
    {%- endif -%}
_arrived_load_id desc, _arrived_row desc
{%- endmacro %}

{% macro loads_after_the_bound() -%}
(select load_id from ledger.loads where seq > {{ build_upper_bound() }})
{%- endmacro %}

{#- The column that says since when a version holds. -#}
{% macro moment_column(node) -%}
    {%- set name = node.config.meta.get('valid_from') -%}
    {%- if not name -%}
        {{ exceptions.raise_compiler_error(
            node.source_name ~ "." ~ node.name ~ ": versions as of a time need config.meta.valid_from"
        ) }}
    {%- endif -%}
    {{ return(adapter.quote(name)) }}
{%- endmacro %}

{#- Of an entry of a history: it is itself a delete, and not the version that one took away. -#}
{% macro is_delete() -%}
_reason = 'deleted' and _written_load_id = _load_id
{%- endmacro %}

{#- The contract of a source table: its node in the manifest. -#}
{% macro source_node(source_name, table_name) -%}
    {%- for node in graph.sources.values() -%}
        {%- if node.source_name == source_name and node.name == table_name -%}
            {{ return(node) }}
        {%- endif -%}
    {%- endfor -%}
    {{ exceptions.raise_compiler_error("No source " ~ source_name ~ "." ~ table_name ~ " in this project") }}
{%- endmacro %}

{#- Named one by one: mirror and history may have their columns in another order. -#}
{% macro staging_columns(node) -%}
    {%- set names = [] -%}
    {%- for column in node.columns.values() -%}
        {%- do names.append(adapter.quote(column.name)) -%}
    {%- endfor -%}
    {{ return(names + ['_load_id', '_row', '_loaded_at']) }}
{%- endmacro %}

{% macro key_columns(node) -%}
    {%- set names = [] -%}
    {%- for name in node.config.meta.get('primary_key') or [] -%}
        {%- do names.append(adapter.quote(name)) -%}
    {%- endfor -%}
    {%- if not names -%}
        {{ exceptions.raise_compiler_error(node.source_name ~ "." ~ node.name ~ ": config.meta.primary_key is missing") }}
    {%- endif -%}
    {{ return(names) }}
{%- endmacro %}

{% macro history_of(relation) -%}
    {{ return(relation.incorporate(path={'identifier': relation.identifier ~ '__history'})) }}
{%- endmacro %}
