-- Every row of fct_coupon_redemptions is one of the source, and says the same.
-- One row a coupon redemption that differs, is missing or is surplus.
{% set compared_columns = [
    'coupon_key',
    'campaign_key',
    'load_id',
] %}

with fact as (

    select * from {{ ref('fct_coupon_redemptions') }}

),

coupon_redemptions as (

    select * from {{ source_as_of('marketing', 'coupon_redemptions') }}

),

expected as (

    select
        customer_id,
        coupon_upc,
        campaign_id,
        redeemed_on,
        _load_id as load_id,
        {{ surrogate_key(['campaign_id', 'coupon_upc']) }} as coupon_key,
        {{ surrogate_key(['campaign_id']) }} as campaign_key
    from coupon_redemptions

),

compared as (

    select
        coalesce(fact.customer_id, expected.customer_id) as customer_id,
        coalesce(fact.coupon_upc, expected.coupon_upc) as coupon_upc,
        coalesce(fact.campaign_id, expected.campaign_id) as campaign_id,
        coalesce(fact.redeemed_on, expected.redeemed_on) as redeemed_on,
        {% for column in compared_columns -%}
        fact.{{ column }},
        expected.{{ column }} as expected_{{ column }},
        {% endfor -%}
        fact.customer_id is null as is_missing,
        expected.customer_id is null as is_surplus
    from fact
    full outer join expected
        on
            fact.customer_id = expected.customer_id
            and fact.coupon_upc = expected.coupon_upc
            and fact.campaign_id = expected.campaign_id
            and fact.redeemed_on = expected.redeemed_on

)

select
    customer_id,
    coupon_upc,
    campaign_id,
    redeemed_on,
    {% for column in compared_columns -%}
    {{ column }},
    expected_{{ column }},
    {% endfor -%}
    is_missing,
    is_surplus
from compared
where
    is_missing
    or is_surplus
    {% for column in compared_columns -%}
    or {{ column }} is distinct from expected_{{ column }}
    {% endfor %}
