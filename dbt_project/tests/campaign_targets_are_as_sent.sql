-- Every row of fct_campaign_targets is one of the source, and says the same.
-- One row a customer whom a campaign addressed that differs, is missing or is surplus.
{% set compared_columns = [
    'campaign_key',
    'addressed_on',
    'load_id',
] %}

with fact as (

    select * from {{ ref('fct_campaign_targets') }}

),

campaign_targets as (

    select * from {{ source_as_of('marketing', 'campaign_targets') }}

),

expected as (

    select
        campaign_id,
        customer_id,
        addressed_on,
        _load_id as load_id,
        {{ surrogate_key(['campaign_id']) }} as campaign_key
    from campaign_targets

),

compared as (

    select
        coalesce(fact.campaign_id, expected.campaign_id) as campaign_id,
        coalesce(fact.customer_id, expected.customer_id) as customer_id,
        {% for column in compared_columns -%}
        fact.{{ column }},
        expected.{{ column }} as expected_{{ column }},
        {% endfor -%}
        fact.campaign_id is null as is_missing,
        expected.campaign_id is null as is_surplus
    from fact
    full outer join expected
        on
            fact.campaign_id = expected.campaign_id
            and fact.customer_id = expected.customer_id

)

select
    campaign_id,
    customer_id,
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
