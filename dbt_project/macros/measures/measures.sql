{#- The shop's measures, each defined once. Arguments are SQL expressions. What
    they mean is in docs/measures.md; models show them under these names. -#}

{#- Sum of an amount, 0 where there are no rows. -#}
{% macro total_amount(amount) -%}
cast(coalesce(sum({{ amount }}), 0) as numeric(18, 2))
{%- endmacro %}

{#- The same, and NULL where one of the amounts is not known: a sum without it would look smaller. -#}
{% macro total_if_known(amount) -%}
cast(case when count(*) = count({{ amount }}) then coalesce(sum({{ amount }}), 0) end as numeric(18, 2))
{%- endmacro %}

{#- Of an outer join: the total, 0 where nothing was found. The cast keeps scale,
    which coalesce drops. -#}
{% macro total_or_zero(amount) -%}
cast(coalesce({{ amount }}, 0) as numeric(18, 2))
{%- endmacro %}

{% macro net_sales(sales_amount='sales_amount') -%}
{{ total_amount(sales_amount) }}
{%- endmacro %}

{% macro units_sold(quantity='quantity') -%}
cast(coalesce(sum({{ quantity }}), 0) as bigint)
{%- endmacro %}

{#- Of one row or of sums: both work, the measure is additive. -#}
{% macro gross_sales(sales_amount, retail_discount, coupon_match_discount) -%}
cast({{ sales_amount }} + {{ retail_discount }} + {{ coupon_match_discount }} as numeric(18, 2))
{%- endmacro %}

{% macro own_discount(retail_discount, coupon_match_discount) -%}
cast({{ retail_discount }} + {{ coupon_match_discount }} as numeric(18, 2))
{%- endmacro %}

{#- NULL where the denominator is 0 or NULL. -#}
{% macro quotient(numerator, denominator) -%}
cast({{ numerator }} as numeric(24, 6)) / nullif(cast({{ denominator }} as numeric(24, 6)), 0)
{%- endmacro %}

{% macro ratio(numerator, denominator) -%}
cast({{ quotient(numerator, denominator) }} as numeric(18, 6))
{%- endmacro %}

{% macro discount_share(discount_amount, gross_amount) -%}
{{ ratio(discount_amount, gross_amount) }}
{%- endmacro %}

{#- `orders_with_lines`: orders that have at least one line. -#}
{% macro average_order_value(sales_amount, orders_with_lines) -%}
cast({{ quotient(sales_amount, orders_with_lines) }} as numeric(18, 2))
{%- endmacro %}

{#- `unit_cost`: cost of one unit. NULL where it is not known. -#}
{% macro margin(sales_amount, units, unit_cost) -%}
cast({{ sales_amount }} - cast({{ units }} as numeric(18, 0)) * {{ unit_cost }} as numeric(18, 2))
{%- endmacro %}

{% macro margin_rate(margin_amount, sales_amount) -%}
{{ ratio(margin_amount, sales_amount) }}
{%- endmacro %}

{#- `households_redeeming` counts addressed households only, so that the rate stays within 0 and 1. -#}
{% macro redemption_rate(households_redeeming, households_addressed) -%}
{{ ratio(households_redeeming, households_addressed) }}
{%- endmacro %}

{% macro target_attainment(sales_amount, target_amount) -%}
{{ ratio(sales_amount, target_amount) }}
{%- endmacro %}

{% macro bounce_rate(mails_bounced, mails_sent) -%}
{{ ratio(mails_bounced, mails_sent) }}
{%- endmacro %}

{#- Of households that a mail reached. -#}
{% macro open_rate(households_opening, households_reached) -%}
{{ ratio(households_opening, households_reached) }}
{%- endmacro %}

{% macro click_rate(households_clicking, households_reached) -%}
{{ ratio(households_clicking, households_reached) }}
{%- endmacro %}

{#- `conversions` and `responses` (visits or clicks) are of one kind: each of the first is one of the second. -#}
{% macro conversion_rate(conversions, responses) -%}
{{ ratio(conversions, responses) }}
{%- endmacro %}

{#- `order_value`: what an order is worth; NULL where it is not known, and then only no conversion has a value. -#}
{% macro conversion_value(conversions, order_value) -%}
cast(
    case
        when {{ conversions }} = 0 then 0
        else cast({{ conversions }} as numeric(18, 0)) * {{ order_value }}
    end as numeric(18, 2)
)
{%- endmacro %}

{% macro return_on_ad_spend(sales_amount, cost_amount) -%}
{{ ratio(sales_amount, cost_amount) }}
{%- endmacro %}

{#- Of averages a household: what the treated changed by beyond what the others did. -#}
{% macro difference_in_differences(treated_before, treated_after, control_before, control_after) -%}
cast(({{ treated_after }} - {{ treated_before }}) - ({{ control_after }} - {{ control_before }}) as numeric(18, 6))
{%- endmacro %}

{% macro reject_rate(rejected, received) -%}
{{ ratio(rejected, received) }}
{%- endmacro %}
