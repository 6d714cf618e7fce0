{#- Who reads a published mart. dbt grants on what it has just made, and for a
    mart that is the table that nobody reads: so what a model's config says
    (`grants`, and `meta.row_access`) is done where the mart is published, in
    the same transaction. -#}

{#- The roles that read the mart: its department's own, and those that the model
    names in `config.grants.select`. One that the server lacks reads nothing,
    and stops nothing: publishing may not wait for an administrator. -#}
{% macro readers_of(mart) -%}
    {%- set named = (mart.config.grants or {}).get('select') or [] -%}
    {{ return((['gatehouse_' ~ mart_schema_of(mart)] + ([named] if named is string else named | list)) | unique | list) }}
{%- endmacro %}

{#- `meta.row_access: {column: …, roles: gatehouse_region_}`: besides those who
    read all of the table, a role named by that beginning and a value of the
    column reads the rows with that value. Without it, none. -#}
{% macro row_access_of(mart) -%}
    {%- set access = mart.config.meta.get('row_access') -%}
    {%- if not access -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set beginning = access.roles or '' -%}
    {%- if not modules.re.match('gatehouse_[a-z]+_$', beginning) or beginning == 'gatehouse_mart_' -%}
        {{ exceptions.raise_compiler_error(
            mart.name ~ ": meta.row_access.roles is '" ~ beginning ~ "'. It is how the roles' names begin, "
            ~ "gatehouse_<word>_, such as gatehouse_region_; gatehouse_mart_ are the departments' own."
        ) }}
    {%- endif -%}
    {%- if access.column not in mart.columns -%}
        {{ exceptions.raise_compiler_error(mart.name ~ ": meta.row_access.column is '" ~ access.column ~ "', and the model has no such column.") }}
    {%- endif -%}
    {{ return(access) }}
{%- endmacro %}

{#- The condition of the policy, or none. Roles are looked up by name when rows
    are read: one that comes later needs its grant and no other rule, and a
    value that no role is named by is seen by who may read all. `usage`: of
    roles that one has to switch to nothing is seen before. -#}
{% macro row_rule_of(mart) -%}
    {%- set access = row_access_of(mart) -%}
    {%- if access is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set whole = [] -%}
    {%- for reader in readers_of(mart) -%}{%- do whole.append(sql_literal(reader)) -%}{%- endfor -%}
    {%- set rule -%}
exists (
    select from pg_catalog.pg_roles
    where rolname in ({{ whole | join(', ') }}) and pg_catalog.pg_has_role(oid, 'usage')
)
or cast({{ adapter.quote(access.column) }} as text) in (
    select substr(cast(rolname as text), {{ access.roles | length + 1 }}) from pg_catalog.pg_roles
    where starts_with(cast(rolname as text), {{ sql_literal(access.roles) }}) and pg_catalog.pg_has_role(oid, 'usage')
)
    {%- endset -%}
    {{ return(rule | trim) }}
{%- endmacro %}

{#- A mart as publishing takes it: a row of SQL literals. -#}
{% macro mart_to_publish(mart, is_new) -%}
    {%- set access = row_access_of(mart) -%}
    {%- set rule = row_rule_of(mart) -%}
    {%- set readers = [] -%}
    {%- for reader in readers_of(mart) -%}{%- do readers.append(sql_literal(reader)) -%}{%- endfor -%}
    {{ return("(" ~ [
        sql_literal(mart.schema), sql_literal(mart_schema_of(mart)), sql_literal(mart.alias),
        "array[" ~ readers | join(', ') ~ "]",
        sql_literal(access.roles) if access else "cast(null as text)",
        sql_literal(rule) if rule else "cast(null as text)",
        is_new,
    ] | join(', ') ~ ")") }}
{%- endmacro %}

{#- Two functions of the session, called before and after a table's columns and
    rows are made equal. The rule goes first when it is no longer the model's,
    or when a column changes, on which it may stand: while it is away, nobody
    but the owner reads a row. Who was let in by it is shut out with it, or
    they would see all rows of a table that has no rule any more. A policy that
    is not ours is left alone. -#}
{% macro publish_access_functions() -%}
create or replace function pg_temp.lift_row_rule(
    build_schema text, mart_schema text, table_name text, role_beginning text, rule text
)
returns void language plpgsql as $function$
declare
    target_name constant text := format('%I.%I', mart_schema, table_name);
    target_id constant oid := to_regclass(target_name);
    standing text;
    columns_now text[];
    columns_then text[];
    reader text;
begin
    -- What let_in noted: the roles' beginning, a colon, the rule.
    select coalesce(obj_description(oid, 'pg_policy'), '')
    into standing
    from pg_policy
    where polrelid = target_id and polname = 'gatehouse_rows';
    if standing is null then
        return;
    end if;
    select array_agg(format('%I %s', attname, format_type(atttypid, atttypmod)) order by attname)
    into columns_then
    from pg_attribute
    where attrelid = target_id and attnum > 0 and not attisdropped;
    select array_agg(format('%I %s', attname, format_type(atttypid, atttypmod)) order by attname)
    into columns_now
    from pg_attribute
    where attrelid = to_regclass(format('%I.%I', build_schema, table_name)) and attnum > 0 and not attisdropped;
    if standing is distinct from role_beginning || ': ' || rule or columns_then is distinct from columns_now then
        execute format('drop policy gatehouse_rows on %s', target_name);
        for reader in
            select rolname from pg_roles where starts_with(rolname::text, split_part(standing, ': ', 1))
        loop
            execute format('revoke select on %s from %I', target_name, reader);
        end loop;
    end if;
    if rule is null then
        execute format('alter table %s disable row level security', target_name);
    end if;
end
$function$;

create or replace function pg_temp.let_in(
    mart_schema text, table_name text, readers text[], role_beginning text, rule text
)
returns void language plpgsql as $function$
declare
    target_name constant text := format('%I.%I', mart_schema, table_name);
    target_id constant oid := target_name::regclass;
    row_type constant oid := (select reltype from pg_class where oid = target_id);
    -- What the last publishing noted. The table's own comment is the model's description.
    noted constant text := obj_description(row_type, 'pg_type');
    reader text;
begin
    -- Only who was let in by the model: what somebody granted by hand stays.
    for reader in
        select rolname from pg_roles
        where rolname = any (cast(substring(noted from '^read by (.*)$') as text[])) and not rolname = any (readers)
    loop
        execute format('revoke select on %s from %I', target_name, reader);
    end loop;
    if noted is distinct from 'read by ' || cast(readers as text) then
        execute format('comment on type %s is %L', target_name, 'read by ' || cast(readers as text));
    end if;
    if rule is not null then
        if not (select relrowsecurity from pg_class where oid = target_id) then
            execute format('alter table %s enable row level security', target_name);
        end if;
        if not exists (select from pg_policy where polrelid = target_id and polname = 'gatehouse_rows') then
            execute format('create policy gatehouse_rows on %s for select using (%s)', target_name, rule);
            execute format('comment on policy gatehouse_rows on %s is %L', target_name, role_beginning || ': ' || rule);
        end if;
    end if;
    for reader in
        select rolname from pg_roles
        where rolname = any (readers) or starts_with(rolname::text, role_beginning)
    loop
        if not has_schema_privilege(reader, mart_schema, 'usage') then
            execute format('grant usage on schema %I to %I', mart_schema, reader);
        end if;
        if not has_table_privilege(reader, target_id, 'select') then
            execute format('grant select on %s to %I', target_name, reader);
        end if;
    end loop;
end
$function$
{%- endmacro %}

{% macro tell_of_missing_readers(marts) -%}
    {%- set names = [] -%}
    {%- for mart in marts -%}
        {%- for reader in readers_of(mart) -%}{%- do names.append(sql_literal(reader)) -%}{%- endfor -%}
    {%- endfor -%}
    {%- set missing = run_query(
        "select name from unnest(array[" ~ names | unique | join(', ') ~ "]) as name"
        ~ " where not exists (select from pg_roles where rolname = name) order by name"
    ).columns[0].values() -%}
    {%- if missing -%}
        {%- do log(
            "Without a role on this server, and so without a reader: " ~ missing | join(', ')
            ~ ". `loader migrate` makes departments' roles, where its user may.", info=True
        ) -%}
    {%- endif -%}
{%- endmacro %}

{#- dbt's own grants, but for marts: theirs are given when they are published.
    They give `select` only: what a build makes nobody else writes. -#}
{% macro postgres__apply_grants(relation, grant_config, should_revoke=True) -%}
    {%- if is_mart(relation) -%}
        {%- for privilege in grant_config or {} if privilege | lower != 'select' -%}
            {{ exceptions.raise_compiler_error(relation.identifier ~ " grants " ~ privilege ~ ": a mart grants select and nothing else.") }}
        {%- endfor -%}
    {%- else -%}
        {%- do dbt.default__apply_grants(relation, grant_config, should_revoke) -%}
    {%- endif -%}
{%- endmacro %}
