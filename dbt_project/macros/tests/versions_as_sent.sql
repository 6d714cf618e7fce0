{#- For tests: the versions of a source table up to the build's bound, found in
    mirror and history in another way than source_versions() does: compared with
    each other instead of ranked. A subquery with the contract's columns, those of
    the loader, and deleted_at: of the first delete that comes after the version,
    its moment, or when it was loaded if that is the version's own. Of a source with
    one column of key, whose versions hang on updated_at. -#}
{% macro versions_as_sent(source_name, table_name) -%}
    {%- set relation = source(source_name, table_name) -%}
    {%- set node = source_node(source_name, table_name) if execute else none -%}
    {%- set key = key_columns(node)[0] if execute else 'null' -%}
    {%- set columns = staging_columns(node) | join(', ') if execute else 'null' -%}
    {%- set known -%}
(select load_id from ledger.loads where seq <= {{ build_upper_bound() }})
    {%- endset -%}
(
    with entries as (
        select {{ columns }}, null as reason, null as written_load_id, false as is_delete
        from {{ relation }}
        where _load_id in {{ known }}
        union all
        select {{ columns }}, _reason, _written_load_id, _reason = 'deleted' and _load_id = _written_load_id
        from {{ history_of(relation) }}
        where _load_id in {{ known }}
    ),

    spoken as (
        select
            {{ columns }},
            bool_or(is_delete) as is_delete,
            (
                array_agg(reason order by written_load_id desc)
                filter (where reason in ('undone', 'restored') and written_load_id in {{ known }})
            )[1] as last_word
        from entries
        group by {{ columns }}
    ),

    arrived as (
        select
            spoken.*,
            array[
                coalesce(waited.first_load_id, spoken._load_id), coalesce(waited.first_row, spoken._row)
            ] as arrival
        from spoken
        left join ledger.rejects as waited
            on spoken._load_id = waited.resolved_load_id and spoken._row = waited.resolved_row
        where spoken.last_word is distinct from 'undone'
    ),

    ends as (
        select
            version._load_id,
            version._row,
            min(
                case when gone.updated_at > version.updated_at then gone.updated_at else gone._loaded_at end
            ) as deleted_at
        from arrived as version
        inner join arrived as gone on version.{{ key }} = gone.{{ key }} and gone.is_delete
        where (gone.updated_at, gone.arrival) > (version.updated_at, version.arrival)
        group by version._load_id, version._row
    )

    select
        version.*,
        ends.deleted_at
    from arrived as version
    left join ends on version._load_id = ends._load_id and version._row = ends._row
    left join arrived as other
        on
            version.{{ key }} = other.{{ key }}
            and version.updated_at = other.updated_at
            and version.arrival < other.arrival
            and not other.is_delete
    where not version.is_delete and other.{{ key }} is null
)
{%- endmacro %}
