-- Quantities and discounts arrive in the marts as sales do (fct_sales against
-- staging is sales_amount_reconciles). One row a table that differs.
{% set measures = ['units', 'retail_discount', 'coupon_match_discount', 'coupon_discount'] %}

with totals as (

    {% for model in ['sales_daily', 'product_performance'] -%}
    select
        '{{ model }}' as table_name
        {%- for measure in measures %},
        {{ total_amount(measure) }} as {{ measure }}
        {%- endfor %}
    from {{ ref(model) }}
    {% if not loop.last %}
    union all

    {% endif -%}
    {%- endfor %}
),

expected as (

    select
        {{ total_amount('quantity') }} as units,
        {{ total_amount('retail_discount') }} as retail_discount,
        {{ total_amount('coupon_match_discount') }} as coupon_match_discount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from {{ ref('fct_sales') }}

)

select
    totals.table_name,
    {%- for measure in measures %}
    totals.{{ measure }},
    expected.{{ measure }} as expected_{{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
from totals
cross join expected
where
    {%- for measure in measures %}
    {{ 'or ' if not loop.first }}totals.{{ measure }} <> expected.{{ measure }}
    {%- endfor %}
