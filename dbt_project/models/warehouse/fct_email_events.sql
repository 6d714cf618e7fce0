{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['event_id'],
        indexes=[{'columns': ['event_id']}],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {'source': ['marketing', 'email_events'], 'key': {'event_id': 'event_id'}},
                {
                    'versions_of': 'dim_customers',
                    'through': 'stg_marketing__email_events',
                    'at': 'occurred_at',
                    'key': ['event_id'],
                },
            ]
        }
    )
}}

with email_events as (

    select * from {{ ref('stg_marketing__email_events') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

customer_versions as (

    select * from {{ ref('int_customer_versions') }}

)

select
    email_events.event_id,
    {{ surrogate_key(['email_events.campaign_id']) }} as campaign_key,
    email_events.campaign_id,
    coalesce(
        customer_versions.customer_key, {{ surrogate_key(['email_events.customer_id']) | indent(8) }}
    ) as customer_key,
    email_events.customer_id,
    email_events.event_type,
    {{ email_channel() }} as channel,
    {{ surrogate_key([email_channel()]) }} as channel_key,
    email_events.occurred_at,
    {{ business_date('email_events.occurred_at') }} as event_date,
    email_events.load_id
from email_events
left join customer_versions
    on
        email_events.customer_id = customer_versions.customer_id
        and email_events.occurred_at >= customer_versions.valid_from
        and email_events.occurred_at < customer_versions.valid_to
