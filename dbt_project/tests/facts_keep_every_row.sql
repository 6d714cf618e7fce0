-- A fact has as many rows as the staging table it is made of. One row a fact
-- that does not.
{% set facts = [
    ('fct_order_lines', 'stg_erp__order_lines'),
    ('fct_orders', 'stg_erp__orders'),
    ('fct_payments', 'stg_erp__payments'),
    ('fct_campaign_targets', 'stg_marketing__campaign_targets'),
    ('fct_coupon_redemptions', 'stg_marketing__coupon_redemptions'),
    ('fct_returns', 'stg_erp__returns'),
    ('fct_returns_costed', 'stg_erp__returns'),
    ('fct_order_fulfilment', 'stg_erp__orders'),
    ('fct_email_events', 'stg_marketing__email_events'),
    ('fct_activity', 'stg_web__activity_events'),
    ('fct_ad_performance_daily', 'stg_marketing__ad_performance'),
    ('fct_sales_targets', 'stg_planning__sales_targets'),
    ('fct_budgets', 'stg_planning__budgets'),
    ('bridge_coupon_products', 'stg_marketing__coupons'),
    ('fct_ad_value_daily', 'stg_marketing__ad_performance'),
    ('fct_loads', 'stg_ledger__loads'),
] %}

with row_counts as (

    {% for fact, staging in facts -%}
    select
        '{{ fact }}' as fact,
        (select count(*) from {{ ref(fact) }}) as fact_rows,
        (select count(*) from {{ ref(staging) }}) as staging_rows
    {% if not loop.last %}
    union all

    {% endif -%}
    {%- endfor %}
)

select
    fact,
    fact_rows,
    staging_rows
from row_counts
where fact_rows <> staging_rows
