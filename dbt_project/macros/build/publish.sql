{#- Publishes all marts, or none: one transaction, one lock. What goes wrong is
    undone, and said in ledger.builds and as an error of the run. One that was not
    made since another build was published is there as it is. -#}
{% macro publish_marts(past, marts) -%}
    {%- set build_id, wait = past.build.build_id, var('publish_lock_timeout', '10s') -%}
    {%- set published = run_query(
        "select coalesce(max(build_id), 0) from ledger.builds where published_at is not null and build_id <> " ~ build_id
    ).rows[0][0] -%}
    {%- set pairs, made_now = [], [] -%}
    {%- for mart in marts -%}
        {%- set made_by = past.last[mart.unique_id].build_id -%}
        {%- do made_now.append(mart) if made_by == build_id -%}
        {%- do pairs.append(mart_to_publish(mart, made_by > published)) -%}
    {%- endfor -%}
    {%- set older = marts | length - made_now | length -%}
    {%- set what = marts | length ~ " marts" ~ (" (" ~ older ~ " of them as an earlier build made it)" if older else "") -%}
    {#- What the ledger says if nobody lives to say more. -#}
    {%- do write_end_of_build(build_id, 'built', "not published: publishing broke off (killed, or the connection was lost); run dbt test") -%}
    {%- do run_query(publish_table_function()) -%}
    {%- do run_query(publish_access_functions()) -%}
    {%- set publish -%}
do $publish$
declare
    mart record;
    came bigint := 0;
    went bigint := 0;
    changes bigint[];
    problem text;
    detail text;
begin
    perform pg_advisory_xact_lock({{ build_lock() }});
    if (select max(build_id) from ledger.builds) <> {{ build_id }} then
        raise exception 'a newer build was opened meanwhile';
    end if;
    -- Rows move without blocking a reader. Only a changed column or a new
    -- constraint needs the table for itself: then wait briefly, not for ever,
    -- since whoever comes to read queues up behind.
    perform set_config('lock_timeout', '{{ wait }}', true);
    for mart in
        select *
        from (values {{ pairs | join(', ') }})
            as t (build_schema, mart_schema, table_name, readers, role_beginning, rule, is_new)
    loop
        execute format('create schema if not exists %I', mart.mart_schema);
        perform pg_temp.lift_row_rule(
            mart.build_schema, mart.mart_schema, mart.table_name, mart.role_beginning, mart.rule
        );
        if mart.is_new or to_regclass(format('%I.%I', mart.mart_schema, mart.table_name)) is null then
            changes := pg_temp.publish_table(mart.build_schema, mart.mart_schema, mart.table_name);
        else
            changes := array[0, 0];
        end if;
        -- also where the rows are those of before: who may read them can be said anew
        perform pg_temp.let_in(mart.mart_schema, mart.table_name, mart.readers, mart.role_beginning, mart.rule);
        came := came + changes[1];
        went := went + changes[2];
    end loop;
    update ledger.builds
    set status = 'published', finished_at = now(), published_at = coalesce(published_at, now()),
        message = format('published {{ what }}: %s rows in, %s rows out', came, went)
    where build_id = {{ build_id }};
exception
when lock_not_available then
    update ledger.builds
    set status = 'failed', finished_at = now(),
        message = 'not published: somebody has been reading a mart whose columns change for longer than {{ wait }}. '
            'Run dbt test again when they have finished'
    where build_id = {{ build_id }};
when others then
    get stacked diagnostics problem = message_text, detail = pg_exception_detail;
    update ledger.builds
    set status = 'failed', finished_at = now(),
        message = 'not published: ' || problem || coalesce('. ' || nullif(detail, ''), '')
    where build_id = {{ build_id }};
end
$publish$
    {%- endset -%}
    {%- do run_query(publish) -%}
    {%- do run_query("commit") -%}
    {%- set build = run_query("select status, message from ledger.builds where build_id = " ~ build_id).rows[0] -%}
    {%- if build[0] != 'published' -%}
        {{ exceptions.raise_compiler_error("Build " ~ build_id ~ ": " ~ build[1]) }}
    {%- endif -%}
    {%- do log("Build " ~ build_id ~ ": " ~ build[1] ~ ".", info=True) -%}
    {%- do tell_of_tables_without_model(marts) -%}
    {%- do tell_of_missing_readers(marts) -%}
{%- endmacro %}

{#- A mart removed from the project stays published, as it was: whether anyone
    still reads it only its readers know. -#}
{% macro tell_of_tables_without_model(marts) -%}
    {%- set schemas, known = [], [] -%}
    {%- for mart in marts -%}
        {%- do schemas.append(sql_literal(mart_schema_of(mart))) -%}
        {%- do known.append(mart_schema_of(mart) ~ '.' ~ mart.alias) -%}
    {%- endfor -%}
    {%- set there = run_query(
        "select schemaname || '.' || tablename from pg_tables where schemaname in (" ~ schemas | unique | join(', ') ~ ") order by 1"
    ).columns[0].values() -%}
    {%- for table in there if table not in known -%}
        {%- do log(table ~ " has no model any more; it stays as it is. Drop it by hand when nobody reads it.", info=True) -%}
    {%- endfor -%}
{%- endmacro %}
