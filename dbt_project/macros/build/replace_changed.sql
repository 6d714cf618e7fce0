{#- Incremental strategy `replace_changed`: the rows of every changed key go,
    what the model selects for them comes. A key that has no rows any more is
    thereby gone too, which neither merge nor delete+insert does. A model may
    select more keys than the changed ones: those are replaced as well, never
    doubled. Columns of unique_key must not be null: a null equals no key. -#}
{% macro get_incremental_replace_changed_sql(arg_dict) -%}
    {%- set target_relation = arg_dict['target_relation'] -%}
    {%- set temp_relation = arg_dict['temp_relation'] -%}
    {%- set keys = [] -%}
    {%- for column in unique_key_columns(arg_dict['unique_key']) -%}
        {%- do keys.append(adapter.quote(column)) -%}
    {%- endfor -%}
    {%- if not keys -%}
        {{ exceptions.raise_compiler_error(model.name ~ ": replace_changed needs a unique_key") }}
    {%- endif -%}
    {%- set keys = keys | join(', ') -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
delete from {{ target_relation }} where ({{ keys }}) in (select {{ keys }} from {{ changed_keys() }} as changed_keys);

delete from {{ target_relation }} where ({{ keys }}) in (select {{ keys }} from {{ temp_relation }});

insert into {{ target_relation }} ({{ columns }})
select {{ columns }} from {{ temp_relation }};
{%- endmacro %}

{#- Post-hook of every model (set once in dbt_project.yml), in the transaction of
    the model's rows: that this build made it, and by what rules. An incremental
    model's rows hold all that was let in up to the build's upper bound, and the
    watermark says so. A full refresh moves it in the same way. -#}
{% macro move_watermark() -%}
    {%- if execute -%}
insert into ledger.build_results (build_id, unique_id, resource_type, status, fingerprint)
select max(build_id), {{ sql_literal(model.unique_id) }}, 'model', 'made', {{ sql_literal(rules_of(model.unique_id)) }}
from ledger.builds
on conflict (build_id, unique_id) do update
set status = excluded.status,
    fingerprint = excluded.fingerprint,
    finished_at = excluded.finished_at
    {%- endif -%}
    {%- if execute and model.config.materialized == 'incremental' -%}
        {%- if computed_by() == 'other rules' -%}
            {%- do log("model " ~ model.name ~ " was computed by other rules: made anew", info=True) -%}
        {%- endif -%}
;
insert into ledger.model_watermarks (relation, seq, build_id, fingerprint, moved_at)
select {{ sql_literal(watermark_name(this)) }}, {{ build_upper_bound() }}, max(build_id), {{ rules_fingerprint() }}, now()
from ledger.builds
on conflict (relation) do update
set seq = excluded.seq,
    build_id = excluded.build_id,
    fingerprint = excluded.fingerprint,
    moved_at = excluded.moved_at
    {%- endif -%}
{%- endmacro %}
