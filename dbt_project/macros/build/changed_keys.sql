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
        {% if is_incremental() %} where order_id in (select order_id from {{ changed_keys() }}) {% endif %} -#}
{% macro changed_keys() -%}
    {%- set changed_by = model.config.meta.get('changed_by') -%}
    {%- if execute and not changed_by -%}
        {{ exceptions.raise_compiler_error(model.name ~ ": changed_keys() needs config.meta.changed_by") }}
    {%- endif -%}
    {%- set unique_key = unique_key_columns(model.config.unique_key) -%}
    {%- set lower = model_watermark(this) -%}
    {%- set parts = [] -%}
    {%- for change in changed_by or [] -%}
        {%- do parts.append(changed_since(change.source[0], change.source[1], change.key, lower)) -%}
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
