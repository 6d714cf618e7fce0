-- Every row of fct_campaign_targets is one of the source, and says the same.
-- One row a customer whom a campaign addressed that differs, is missing or is surplus.
{% set compared_columns = [
    'campaign_key',
    'addressed_on',
    'load_id',
] %}

with made as (

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

)

{{ rows_that_differ(['campaign_id', 'customer_id'], compared_columns) }}
