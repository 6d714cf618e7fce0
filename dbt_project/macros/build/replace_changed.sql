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
analyze {{ temp_relation }};

delete from {{ target_relation }} where ({{ keys }}) in (select {{ keys }} from {{ changed_keys() }} as changed_keys);

delete from {{ target_relation }} where ({{ keys }}) in (select {{ keys }} from {{ temp_relation }});

insert into {{ target_relation }} ({{ columns }})
select {{ columns }} from {{ temp_relation }};
{%- endmacro %}
