{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['campaign_id', 'customer_id'],
        indexes=[{'columns': ['campaign_id', 'customer_id']}],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {
                    'source': ['marketing', 'campaign_targets'],
                    'key': {'campaign_id': 'campaign_id', 'customer_id': 'customer_id'},
                },
                {
                    'versions_of': 'dim_customers',
                    'through': 'stg_marketing__campaign_targets',
                    'on': 'addressed_on',
                    'key': ['campaign_id', 'customer_id'],
                },
            ]
        }
    )
}}

with campaign_targets as (

    select * from {{ ref('stg_marketing__campaign_targets') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

customer_versions as (

    select * from {{ ref('int_customer_versions') }}

)

-- The household as it was at the end of the day.
select
    {{ surrogate_key(['campaign_targets.campaign_id']) }} as campaign_key,
    campaign_targets.campaign_id,
    coalesce(
        customer_versions.customer_key, {{ surrogate_key(['campaign_targets.customer_id']) | indent(8) }}
    ) as customer_key,
    campaign_targets.customer_id,
    campaign_targets.addressed_on,
    campaign_targets.load_id
from campaign_targets
left join customer_versions
    on
        campaign_targets.customer_id = customer_versions.customer_id
        and campaign_targets.addressed_on >= {{ business_date('customer_versions.valid_from') }}
        and campaign_targets.addressed_on < {{ business_date('customer_versions.valid_to') }}
