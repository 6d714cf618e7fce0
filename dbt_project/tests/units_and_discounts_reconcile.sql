-- Quantities and discounts arrive in the marts as sales do (fct_sales against
-- staging is sales_amount_reconciles). One row a table that differs.
with shown as (

    {% for model in ['sales_daily', 'product_performance'] -%}
    select
        '{{ model }}' as table_name,
        {{ units_sold('units') }} as units,
        {{ total_amount('retail_discount') }} as retail_discount,
        {{ total_amount('coupon_match_discount') }} as coupon_match_discount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from {{ ref(model) }}
    {% if not loop.last %}
    union all

    {% endif -%}
    {%- endfor %}
),

expected as (

    select
        {{ units_sold() }} as units,
        {{ total_amount('retail_discount') }} as retail_discount,
        {{ total_amount('coupon_match_discount') }} as coupon_match_discount,
        {{ total_amount('coupon_discount') }} as coupon_discount
    from {{ ref('fct_sales') }}

)

select
    shown.table_name,
    shown.units,
    expected.units as expected_units,
    shown.retail_discount,
    expected.retail_discount as expected_retail_discount,
    shown.coupon_match_discount,
    expected.coupon_match_discount as expected_coupon_match_discount,
    shown.coupon_discount,
    expected.coupon_discount as expected_coupon_discount
from shown
cross join expected
where
    shown.units <> expected.units
    or shown.retail_discount <> expected.retail_discount
    or shown.coupon_match_discount <> expected.coupon_match_discount
    or shown.coupon_discount <> expected.coupon_discount
