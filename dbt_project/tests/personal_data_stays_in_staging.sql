-- sqlfluff:ignore:templating
-- noqa: disable=LT02
-- Columns of models to the right of the staging layer that bear the name of a
-- column which the contract marks `pii: direct`: columns that are described,
-- and columns that are there (a column need not be described to be there).
-- depends_on: {{ ref('assortment_gaps') }}
-- depends_on: {{ ref('basket_affinity') }}
-- depends_on: {{ ref('budget_vs_actual') }}
-- depends_on: {{ ref('campaign_performance') }}
-- depends_on: {{ ref('channel_performance_daily') }}
-- depends_on: {{ ref('cohort_retention') }}
-- depends_on: {{ ref('coupon_performance') }}
-- depends_on: {{ ref('customer_360') }}
-- depends_on: {{ ref('data_quality_daily') }}
-- depends_on: {{ ref('email_funnel') }}
-- depends_on: {{ ref('fulfilment_times') }}
-- depends_on: {{ ref('lifetime_value') }}
-- depends_on: {{ ref('orders_daily') }}
-- depends_on: {{ ref('orders_wide') }}
-- depends_on: {{ ref('payment_reconciliation') }}
-- depends_on: {{ ref('product_performance') }}
-- depends_on: {{ ref('promotion_effect') }}
-- depends_on: {{ ref('revenue_bridge_monthly') }}
-- depends_on: {{ ref('sales_daily') }}
-- depends_on: {{ ref('sales_vs_target') }}
-- depends_on: {{ ref('stock_cover') }}
{%- set personal = [] -%}
{%- set found = [] -%}
{%- if execute -%}
    {%- for source_table in graph.sources.values() -%}
        {%- for column in source_table.columns.values() if column.config.meta.get('pii') == 'direct' -%}
            {%- do personal.append(column.name | lower) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if not personal -%}
        {{ exceptions.raise_compiler_error("No source column is marked `pii: direct`: nothing is proved.") }}
    {%- endif -%}
    {%- for model in graph.nodes.values() if model.resource_type == 'model' and 'staging' not in model.fqn -%}
        {%- set names = model.columns.keys() | list -%}
        {%- set relation = adapter.get_relation(model.database, model.schema, model.alias) -%}
        {%- if relation is not none -%}
            {%- set names = names + adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
        {%- endif -%}
        {%- for name in names if name | lower in personal -%}
            {%- do found.append((model.name, name)) -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endif %}

with found as (

    {% for model_name, column_name in found -%}
    select
        '{{ model_name }}' as model_name,
        '{{ column_name }}' as column_name
    union all
    {% endfor -%}
    select
        cast(null as {{ text_type() }}) as model_name,
        cast(null as {{ text_type() }}) as column_name

)

select
    model_name,
    column_name
from found
where model_name is not null
