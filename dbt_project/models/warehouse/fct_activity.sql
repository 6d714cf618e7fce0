{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['event_id'],
        indexes=[{'columns': ['event_id']}],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {'source': ['web', 'activity_events'], 'key': {'event_id': 'event_id'}},
                {
                    'versions_of': 'dim_customers',
                    'through': 'stg_web__activity_events',
                    'at': 'occurred_at',
                    'key': ['event_id'],
                },
                {
                    'versions_of': 'dim_products',
                    'through': 'stg_web__activity_events',
                    'at': 'occurred_at',
                    'key': ['event_id'],
                },
            ]
        }
    )
}}

with activity_events as (

    select * from {{ ref('stg_web__activity_events') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

customer_versions as (

    select * from {{ ref('int_customer_versions') }}

),

product_versions as (

    select * from {{ ref('int_product_versions') }}

)

select
    activity_events.event_id,
    activity_events.session_id,
    coalesce(
        customer_versions.customer_key, {{ surrogate_key(['activity_events.customer_id']) | indent(8) }}
    ) as customer_key,
    activity_events.customer_id,
    coalesce(
        product_versions.product_key, {{ surrogate_key(['activity_events.product_id']) | indent(8) }}
    ) as product_key,
    activity_events.product_id,
    activity_events.event_type,
    {{ visit_channel('activity_events.user_agent') | indent(4) }} as channel,
    {{ surrogate_key([visit_channel('activity_events.user_agent')]) | indent(4) }} as channel_key,
    activity_events.page_path,
    activity_events.occurred_at,
    {{ business_date('activity_events.occurred_at') }} as event_date,
    activity_events.load_id
from activity_events
left join customer_versions
    on
        activity_events.customer_id = customer_versions.customer_id
        and activity_events.occurred_at >= customer_versions.valid_from
        and activity_events.occurred_at < customer_versions.valid_to
left join product_versions
    on
        activity_events.product_id = product_versions.product_id
        and activity_events.occurred_at >= product_versions.valid_from
        and activity_events.occurred_at < product_versions.valid_to
