{#- The shop's measures, each defined once. Arguments are SQL expressions. What
    they mean is in docs/measures.md; models show them under these names. -#}

{#- Sum of an amount, 0 where there are no rows. -#}
{% macro total_amount(amount) -%}
cast(coalesce(sum({{ amount }}), 0) as numeric(18, 2))
{%- endmacro %}

{#- The same, NULL where one of the amounts is not known: a part is not the whole. -#}
{% macro known_total(amount) -%}
cast(
    case
        when count(*) = count({{ amount }}) then coalesce(sum({{ amount }}), 0)
    end as numeric(18, 2)
)
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

{#- Of rows that are one order each; `is_cancelled` is never NULL. -#}
{% macro orders_counted(is_cancelled='is_cancelled') -%}
cast(coalesce(sum(case when {{ is_cancelled }} then 0 else 1 end), 0) as bigint)
{%- endmacro %}

{#- `orders_with_lines`: orders that have at least one line. -#}
{% macro average_order_value(sales_amount, orders_with_lines) -%}
cast({{ quotient(sales_amount, orders_with_lines) }} as numeric(18, 2))
{%- endmacro %}

{#- Of a line, in the base currency, rounded to cents where it stands. `unit_cost`: cost of one unit in
    `currency_code`; NULL where it is not known, and so is the result. -#}
{% macro cost_of_goods(units, unit_cost, currency_code, rate) -%}
{{ in_base_currency('cast(' ~ units ~ ' as numeric(18, 0)) * ' ~ unit_cost, currency_code, rate) }}
{%- endmacro %}

{#- The same of goods that came back, 0 of what is spoilt: nobody can sell that again. -#}
{% macro returned_cost_of_goods(return_reason, units, unit_cost, currency_code, rate) -%}
cast(
    case
        when {{ return_reason }} = 'damaged' then 0
        else {{ cost_of_goods(units, unit_cost, currency_code, rate) | indent(8) }}
    end as numeric(18, 2)
)
{%- endmacro %}

{#- Of one row or of sums: the measure is additive. NULL where the cost is not known. -#}
{% macro margin(sales_amount, cost_amount) -%}
cast({{ sales_amount }} - {{ cost_amount }} as numeric(18, 2))
{%- endmacro %}

{#- The customer's part of what was sold, of one order. No coupon pays out. -#}
{% macro customer_due(sales_amount, coupon_discount) -%}
cast(
    case
        when {{ sales_amount }} > {{ coupon_discount }} then {{ sales_amount }} - {{ coupon_discount }}
        else 0
    end as numeric(18, 2)
)
{%- endmacro %}

{% macro net_revenue(sales_amount, returned_amount) -%}
cast({{ sales_amount }} - {{ returned_amount }} as numeric(18, 2))
{%- endmacro %}

{% macro gross_profit(sales_amount, returned_amount, cost_amount, returned_cost_amount) -%}
cast({{ sales_amount }} - {{ returned_amount }} - {{ cost_amount }} + {{ returned_cost_amount }} as numeric(18, 2))
{%- endmacro %}

{% macro margin_rate(margin_amount, sales_amount) -%}
{{ ratio(margin_amount, sales_amount) }}
{%- endmacro %}

{#- A select of `campaign_key` and `households_addressed` from a CTE that has a row a campaign and household. -#}
{% macro households_addressed(campaign_targets) -%}
select
    campaign_key,
    count(*) as households_addressed
from {{ campaign_targets }}
group by campaign_key
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

{% macro budget_use(actual_amount, budget_amount) -%}
{{ ratio(actual_amount, budget_amount) }}
{%- endmacro %}

{#- Days, today included, within which whoever ordered is an active customer (var active_customer_days). -#}
{% macro active_customer_days() -%}
{{ var('active_customer_days', 90) }}
{%- endmacro %}

{#- `recency_days`: days from the last order to today, NULL without one. -#}
{% macro is_active_customer(recency_days) -%}
coalesce({{ recency_days }} < {{ active_customer_days() }}, false)
{%- endmacro %}

{#- Of orders that were not cancelled, in whatever period they are grouped by. -#}
{% macro active_customers(customer_id='customer_id') -%}
count(distinct {{ customer_id }})
{%- endmacro %}

{% macro repeat_rate(repeat_customers, customers) -%}
{{ ratio(repeat_customers, customers) }}
{%- endmacro %}

{% macro retention_rate(customers_kept, customers) -%}
{{ ratio(customers_kept, customers) }}
{%- endmacro %}

{#- `books_begin`: day of the first of all orders. -#}
{% macro is_first_order_known(registered_on, books_begin) -%}
coalesce({{ registered_on }} >= {{ books_begin }}, false)
{%- endmacro %}

{#- Which fifth of all rows a row is in by the value, 1 to 5, which is the highest. By rank and not by ntile:
    equals are in one fifth, the lowest that any of them reaches, whatever order they are read in. -#}
{% macro fifth(value) -%}
1 + cast(
    floor(
        cast(5 * (rank() over (order by {{ value }} asc nulls first) - 1) as numeric(18, 6))
        / cast(count(*) over () as numeric(18, 6))
    ) as integer
)
{%- endmacro %}

{#- What recency and frequency together say of a customer; NULL without scores. -#}
{% macro rfm_segment(recency_score, frequency_score) -%}
case
    when {{ recency_score }} >= 4 and {{ frequency_score }} >= 4 then 'champion'
    when {{ recency_score }} >= 4 and {{ frequency_score }} = 1 then 'occasional'
    when {{ recency_score }} >= 4 then 'promising'
    when {{ recency_score }} = 3 and {{ frequency_score }} >= 4 then 'loyal'
    when {{ recency_score }} = 3 then 'needs attention'
    when {{ frequency_score }} >= 4 then 'at risk'
    when {{ recency_score }} <= 2 then 'fading'
end
{%- endmacro %}

{#- Gupta and Lehmann's formula; margin and both rates are of the same period, a month. -#}
{% macro projected_value(margin_amount, retention_rate, discount_rate) -%}
cast(
    {{ quotient(
        '(' ~ margin_amount ~ ') * (' ~ retention_rate ~ ')',
        '1 + (' ~ discount_rate ~ ') - (' ~ retention_rate ~ ')'
    ) | indent(4) }} as numeric(18, 2)
)
{%- endmacro %}

{#- The var yearly_discount_rate by the month, a twelfth of it. -#}
{% macro monthly_discount_rate() -%}
cast(cast({{ var('yearly_discount_rate', '0.10') }} as numeric(18, 6)) / 12 as numeric(18, 6))
{%- endmacro %}

{#- Days that the stock lasts at the pace of the days counted. Where there is
    none, or less than none, 0; where nothing is asked for, NULL: it has no end. -#}
{% macro stock_cover(stock_quantity, units_sold, days) -%}
cast(
    case
        when {{ stock_quantity }} <= 0 then 0
        when {{ units_sold }} > 0 then {{ quotient(stock_quantity ~ ' * ' ~ days, units_sold) }}
    end as numeric(18, 1)
)
{%- endmacro %}

{% macro daily_demand(units_sold, days) -%}
{{ ratio(units_sold, days) }}
{%- endmacro %}

{% macro stock_value(stock_quantity, unit_cost) -%}
cast(cast({{ stock_quantity }} as numeric(18, 0)) * {{ unit_cost }} as numeric(18, 2))
{%- endmacro %}

{#- What would have been sold in the promoted days at the pace of the others. -#}
{% macro baseline_sales(amount, days, promoted_days) -%}
cast({{ quotient(amount, days) }} * {{ promoted_days }} as numeric(24, 6))
{%- endmacro %}

{% macro promotion_lift(promoted, baseline) -%}
{{ ratio(promoted, baseline) }}
{%- endmacro %}

{% macro pair_support(orders_with_both, order_count) -%}
{{ ratio(orders_with_both, order_count) }}
{%- endmacro %}

{% macro confidence(orders_with_both, orders_with_antecedent) -%}
{{ ratio(orders_with_both, orders_with_antecedent) }}
{%- endmacro %}

{% macro affinity_lift(orders_with_both, orders_with_antecedent, orders_with_consequent, order_count) -%}
{{ ratio(orders_with_both ~ ' * ' ~ order_count, orders_with_antecedent ~ ' * ' ~ orders_with_consequent) }}
{%- endmacro %}

{#- Of a store's own sales, the part that other stores make with it. -#}
{% macro expected_sales(store_sales, peer_item_sales, peer_sales) -%}
cast({{ quotient(peer_item_sales, peer_sales) }} * {{ store_sales }} as numeric(18, 2))
{%- endmacro %}

{#- `sales_before`: what all products that sell more come to. The product that
    crosses a limit is in the higher class, so that there is always an A. -#}
{% macro abc_class(sales_before, total_sales) -%}
case
    when {{ sales_before }} < {{ var('abc_a_share', 0.80) }} * {{ total_sales }} then 'A'
    when {{ sales_before }} < {{ var('abc_b_share', 0.95) }} * {{ total_sales }} then 'B'
    else 'C'
end
{%- endmacro %}

{#- `conversions` and `responses` (visits or clicks) are of one kind: each of the first is one of the second. -#}
{% macro conversion_rate(conversions, responses) -%}
{{ ratio(conversions, responses) }}
{%- endmacro %}

{#- Days whose online orders tell what a conversion of the last of them is worth (var order_value_days). -#}
{% macro order_value_days() -%}
{{ var('order_value_days', 28) }}
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

{#- Of averages a household: by the same part and not the same amount, since who is addressed buys more.
    NULL where the others bought nothing before. -#}
{% macro sales_beyond_others(treated_before, treated_after, control_before, control_after) -%}
cast(
    {{ treated_after }} - {{ quotient(treated_before ~ ' * ' ~ control_after, control_before) | indent(4) }}
    as numeric(18, 6)
)
{%- endmacro %}

{#- Households that a group must have to be compared with another (var smallest_compared_group). -#}
{% macro smallest_compared_group() -%}
{{ var('smallest_compared_group', 100) }}
{%- endmacro %}

{% macro reject_rate(rejected, received) -%}
{{ ratio(rejected, received) }}
{%- endmacro %}
