-- What came in is what every table shows, to the cent: facts all of it, tables
-- of sales what counts as a sale, the bridge both. One row a table that differs from staging.
{% set sales_tables = [
    'fct_sales',
    'fct_sales_costed',
    'sales_daily',
    'orders_daily',
    'orders_wide',
    'revenue_bridge_monthly',
    'customer_360',
    'product_performance',
    'channel_performance_daily',
] %}

with order_lines as (

    select * from {{ ref('stg_erp__order_lines') }}

),

orders as (

    select * from {{ ref('int_orders_dated') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

expected as (

    select
        {{ total_amount('order_lines.sales_amount') }} as all_lines,
        {{ total_amount(
            'case when not orders.is_cancelled then '
            ~ in_base_currency('order_lines.sales_amount', 'orders.currency_code', 'exchange_rates.rate_to_base')
            ~ ' end'
        ) }} as counted_as_sales,
        {{ total_amount(
            in_base_currency('order_lines.sales_amount', 'orders.currency_code', 'exchange_rates.rate_to_base')
        ) }} as all_in_base_currency
    from order_lines
    inner join orders on order_lines.order_id = orders.order_id
    left join exchange_rates
        on
            orders.currency_code = exchange_rates.currency_code
            and orders.order_date = exchange_rates.date_day

),

shown as (

    {% for model in ['fct_order_lines', 'fct_orders'] -%}
    select
        '{{ model }}' as table_name,
        'all_lines' as kind,
        {{ total_amount('sales_amount') }} as sales_amount
    from {{ ref(model) }}

    union all

    {% endfor -%}
    select
        'orders_wide, ordered' as table_name,
        'all_lines' as kind,
        {{ total_amount('ordered_amount') }} as sales_amount
    from {{ ref('orders_wide') }}

    union all

    -- The bridge does not know a cancelled amount without a rate, and then has no total.
    select
        'revenue_bridge_monthly, ordered' as table_name,
        'all_in_base_currency' as kind,
        {{ known_total('ordered_amount') }} as sales_amount
    from {{ ref('revenue_bridge_monthly') }}

    union all

    {% for model in sales_tables -%}
    select
        '{{ model }}' as table_name,
        'counted_as_sales' as kind,
        {{ total_amount('sales_amount') }} as sales_amount
    from {{ ref(model) }}
    {% if not loop.last %}
    union all

    {% endif -%}
    {%- endfor %}
),

compared as (

    select
        shown.table_name,
        shown.sales_amount,
        case shown.kind
            when 'all_lines' then expected.all_lines
            when 'all_in_base_currency' then expected.all_in_base_currency
            else expected.counted_as_sales
        end as expected_amount
    from shown
    cross join expected

)

select
    table_name,
    sales_amount,
    expected_amount
from compared
where sales_amount <> expected_amount
