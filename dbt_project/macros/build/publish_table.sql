{#- A function of the session that makes mart_schema.table_name equal to
    build_schema.table_name and returns {rows in, rows out}.

    The published table is never replaced: rows are deleted and inserted, and
    columns dropped and added, so that grants and the views that BI has built on
    it stay. A dropped or retyped column that such a view uses is refused by
    Postgres, which names the view; the caller undoes everything. -#}
{% macro publish_table_function() -%}
create or replace function pg_temp.publish_table(build_schema text, mart_schema text, table_name text)
returns bigint[] language plpgsql as $function$
declare
    source_name constant text := format('%I.%I', build_schema, table_name);
    target_name constant text := format('%I.%I', mart_schema, table_name);
    source_id constant oid := source_name::regclass;
    target_id oid := to_regclass(target_name);
    names text;
    key_columns text[];
    source_values text;
    target_values text;
    statement text;
    came bigint;
    went bigint;
begin
    if target_id is null then
        execute format('create table %s (like %s including all)', target_name, source_name);
        target_id := target_name::regclass;
    elsif (select relkind from pg_class where oid = target_id) <> 'r' then
        raise exception '% is there already and is not a table', target_name;
    end if;

    -- Columns that are gone or have another type go, new ones come (empty:
    -- every row is written anew below).
    for statement in
        select format('alter table %s drop column %I', target_name, old.attname)
        from pg_attribute as old
        where old.attrelid = target_id and old.attnum > 0 and not old.attisdropped
            and not exists (
                select from pg_attribute as new
                where new.attrelid = source_id and new.attnum > 0 and not new.attisdropped
                    and new.attname = old.attname and new.atttypid = old.atttypid and new.atttypmod = old.atttypmod
            )
    loop
        execute statement;
    end loop;
    for statement in
        select format(
            'alter table %s add column %I %s', target_name, new.attname, format_type(new.atttypid, new.atttypmod)
        )
        from pg_attribute as new
        where new.attrelid = source_id and new.attnum > 0 and not new.attisdropped
            and not exists (
                select from pg_attribute as old
                where old.attrelid = target_id and not old.attisdropped and old.attname = new.attname
            )
        order by new.attnum
    loop
        execute statement;
    end loop;

    -- What the new state need not fulfil any more must not stop its rows.
    for statement in
        select format('alter table %s drop constraint %I', target_name, old.conname)
        from pg_constraint as old
        where old.conrelid = target_id and old.contype in ('p', 'u', 'c')
            and not exists (
                select from pg_constraint as new
                where new.conrelid = source_id and pg_get_constraintdef(new.oid) = pg_get_constraintdef(old.oid)
            )
        union all
        select format('drop index %I.%I', mart_schema, index_name.relname)
        from pg_index as old
        inner join pg_class as index_name on index_name.oid = old.indexrelid
        where old.indrelid = target_id and old.indisunique
            and not exists (select from pg_constraint where conindid = old.indexrelid)
            and not exists (
                select from pg_index as new
                where new.indrelid = source_id and new.indisunique
                    and substring(pg_get_indexdef(new.indexrelid) from ' USING .*')
                        = substring(pg_get_indexdef(old.indexrelid) from ' USING .*')
            )
    loop
        execute statement;
    end loop;
    for statement in
        select format('alter table %s alter column %I drop not null', target_name, old.attname)
        from pg_attribute as old
        inner join pg_attribute as new
            on new.attrelid = source_id and new.attname = old.attname and not new.attisdropped
        where old.attrelid = target_id and not old.attisdropped and old.attnotnull and not new.attnotnull
    loop
        execute statement;
    end loop;

    select
        string_agg(format('%I', attname), ', ' order by attnum),
        string_agg(format('source.%I', attname) || as_text, ', ' order by attnum),
        string_agg(format('target.%I', attname) || as_text, ', ' order by attnum)
    into names, source_values, target_values
    from pg_attribute
    -- Types that know no equality are compared by their text.
    cross join lateral (
        select case when atttypid in ('json'::regtype, 'xml'::regtype) then '::text' else '' end as as_text
    ) as comparison
    where attrelid = source_id and attnum > 0 and not attisdropped;

    select array_agg(attname::text)
    into key_columns
    from pg_index
    inner join pg_attribute on attrelid = indrelid and attnum = any (indkey)
    where indrelid = source_id and indisprimary;

    if key_columns is not null then
        select string_agg(format('source.%1$I = target.%1$I', key_column), ' and ')
        into statement
        from unnest(key_columns) as key_column;
        execute format(
            'delete from %s as target where not exists ('
            'select from %s as source where %s and row(%s) is not distinct from row(%s))',
            target_name, source_name, statement, source_values, target_values
        );
        get diagnostics went = row_count;
        execute format(
            'insert into %s (%s) select %s from %s as source where not exists (select from %s as target where %s)',
            target_name, names, names, source_name, target_name, statement
        );
        get diagnostics came = row_count;
    else
        -- Without a key equal rows are told apart by counting them.
        execute format(
            'delete from %1$s where ctid in ('
            'select target.ctid from ('
            'select ctid, row(%3$s)::text as content, row_number() over (partition by row(%3$s)::text) as occurrence from %1$s'
            ') as target left join ('
            'select row(%3$s)::text as content, row_number() over (partition by row(%3$s)::text) as occurrence from %2$s'
            ') as source using (content, occurrence) where source.content is null)',
            target_name, source_name, names
        );
        get diagnostics went = row_count;
        execute format(
            'insert into %1$s (%3$s) select %3$s from ('
            'select *, row(%3$s)::text as content, row_number() over (partition by row(%3$s)::text) as occurrence from %2$s'
            ') as source where not exists (select from ('
            'select row(%3$s)::text as content, row_number() over (partition by row(%3$s)::text) as occurrence from %1$s'
            ') as target where target.content = source.content and target.occurrence = source.occurrence)',
            target_name, source_name, names
        );
        get diagnostics came = row_count;
    end if;

    for statement in
        select format('alter table %s alter column %I set not null', target_name, new.attname)
        from pg_attribute as new
        inner join pg_attribute as old
            on old.attrelid = target_id and old.attname = new.attname and not old.attisdropped
        where new.attrelid = source_id and not new.attisdropped and new.attnotnull and not old.attnotnull
        union all
        select format('alter table %s add %s', target_name, pg_get_constraintdef(new.oid))
        from pg_constraint as new
        where new.conrelid = source_id and new.contype in ('p', 'u', 'c')
            and not exists (
                select from pg_constraint as old
                where old.conrelid = target_id and pg_get_constraintdef(old.oid) = pg_get_constraintdef(new.oid)
            )
    loop
        execute statement;
    end loop;

    -- Indexes are added and none is taken away: one that the model does not have
    -- may be a reader's own. (Unique ones are rules for rows, and went above.)
    for statement in
        select format(
            'create %s index on %s%s',
            case when new.indisunique then 'unique' else '' end,
            target_name,
            substring(pg_get_indexdef(new.indexrelid) from ' USING .*')
        )
        from pg_index as new
        where new.indrelid = source_id
            and not exists (
                select from pg_index as old
                where old.indrelid = target_id and old.indisunique = new.indisunique
                    and substring(pg_get_indexdef(old.indexrelid) from ' USING .*')
                        = substring(pg_get_indexdef(new.indexrelid) from ' USING .*')
            )
    loop
        execute statement;
    end loop;

    for statement in
        select format('comment on table %s is %L', target_name, obj_description(source_id, 'pg_class'))
        where obj_description(source_id, 'pg_class') is distinct from obj_description(target_id, 'pg_class')
        union all
        select format('comment on column %s.%I is %L', target_name, new.attname, col_description(source_id, new.attnum))
        from pg_attribute as new
        inner join pg_attribute as old
            on old.attrelid = target_id and old.attname = new.attname and not old.attisdropped
        where new.attrelid = source_id and new.attnum > 0 and not new.attisdropped
            and col_description(source_id, new.attnum) is distinct from col_description(target_id, old.attnum)
    loop
        execute statement;
    end loop;

    return array[came, went];
end
$function$
{%- endmacro %}
