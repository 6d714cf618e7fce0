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
        {% if is_incremental() %} where order_id in (select order_id from {{ changed_keys() }}) {% endif %}

    A fact that points to the version of a dimension as of its time changes when
    that dimension's history does. `through` names a model that has the columns of
    the fact's unique_key, the dimension's number and the time (`at`, or `on` if it
    is a day):

        {'versions_of': 'customers', 'through': 'int_orders_dated', 'at': 'ordered_at', 'key': ['order_id']} -#}
{% macro changed_keys() -%}
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

{#- The sources that the versions of a dimension are made of, each with the column
    of the dimension's number. -#}
{% macro version_sources(dimension) -%}
    {{ return({
        'customers': [['crm', 'customers', 'customer_id'], ['crm', 'addresses', 'customer_id']],
        'products': [['erp', 'products', 'product_id']],
    }[dimension]) }}
{%- endmacro %}

{#- The keys of facts whose dimension's history has changed: those at or after the
    earliest moment of a changed version. What is earlier points where it did, for
    the first version holds from the beginning of time under a key that does not
    hang on its moment. Where the first version itself is another, or a delete is
    or was among the versions, it is all facts of the key. -#}
{% macro changed_through(version_source, change, lower) -%}
    {%- set source_name, table_name, number = version_source -%}
    {%- set relation, number = source(source_name, table_name), adapter.quote(number) -%}
    {%- set node = source_node(source_name, table_name) if execute else none -%}
    {%- set own_keys = key_columns(node) if execute else [] -%}
    {%- set moment = moment_column(node) if execute else 'null' -%}
    {%- set keys, history = own_keys | join(', '), history_of(relation) -%}
    {%- set wanted = [] -%}
    {%- for column in own_keys + [number, moment] -%}{%- do wanted.append(column[1:-1]) -%}{%- endfor -%}
    {%- set names = [] -%}
    {%- for column in change.key -%}{%- do names.append('facts.' ~ adapter.quote(column)) -%}{%- endfor -%}
select {{ names | join(', ') }}
from {{ ref(change.through) }} as facts
inner join (
    select {{ number }}, min(_since) as _since
    from (
        select
            {{ number }},
            case
                when
                    ({{ keys }}) in (select {{ keys }} from {{ history }} where {{ is_delete() }})
                    or {{ moment }} <= (
                        select min({{ moment }})
                        from (
                            select {{ keys }}, {{ moment }} from {{ relation }}
                            union all
                            select {{ keys }}, {{ moment }} from {{ history }}
                        ) as known
                        where
                            {%- for key in own_keys %}
                            {{ 'and ' if not loop.first }}known.{{ key }} = version.{{ key }}
                            {%- endfor %}
                    )
                    then {{ beginning_of_time() }}
                else {{ moment }}
            end as _since
        from (
            {{ changed_since(source_name, table_name, wanted | unique | list, lower) | indent(12) }}
        ) as version
    ) as versions
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
