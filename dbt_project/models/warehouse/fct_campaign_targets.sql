{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['campaign_id', 'customer_id'],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {
                    'source': ['marketing', 'campaign_targets'],
                    'key': {'campaign_id': 'campaign_id', 'customer_id': 'customer_id'},
                },
            ]
        }
    )
}}

with campaign_targets as (

    select * from {{ ref('stg_marketing__campaign_targets') }}
    {% if is_incremental() %}
    where
        (campaign_id, customer_id) in (
            select
                changed_keys.campaign_id,
                changed_keys.customer_id
            from {{ changed_keys() }} as changed_keys
        )
    {% endif %}

)

select
    {{ surrogate_key(['campaign_id']) }} as campaign_key,
    campaign_id,
    {{ surrogate_key(['customer_id']) }} as customer_key,
    customer_id,
    addressed_on,
    load_id
from campaign_targets
