{#- Pre-hook of every model, in its transaction: while it is written no other
    build can be opened, and it is written only for the latest build, whose
    bound is what its SQL looks up. -#}
{% macro enter_build() -%}
    {%- if execute -%}
select pg_advisory_xact_lock_shared({{ build_lock() }});
do $enter_build$
begin
    if (select invocation_id from ledger.builds order by build_id desc limit 1) is distinct from {{ sql_literal(invocation_id) }} then
        raise exception 'this build was overtaken by a newer one: two ran at the same time'
            using hint = 'Let one run end before the next is started.';
    end if;
end
$enter_build$;
    {%- endif -%}
{%- endmacro %}

{#- Post-hook of every model (set once in dbt_project.yml), in the transaction of
    the model's rows: that this build made it, and by what rules. An incremental
    model's rows hold all that was let in up to the build's upper bound, and the
    watermark says so. A full refresh moves it in the same way.

    A table made anew is counted for the planner before anybody reads it: the next model begins at once,
    and the server's own counting may come a minute later. Of one in which few keys were replaced what was
    counted before is near enough. -#}
{% macro leave_build() -%}
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
    {%- if execute and model.config.materialized in ['table', 'incremental'] and not (is_incremental() and few_keys_changed()) %}
;
analyze {{ this }}
    {%- endif -%}
{%- endmacro %}
