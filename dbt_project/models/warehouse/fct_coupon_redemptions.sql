{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['customer_id', 'coupon_upc', 'campaign_id', 'redeemed_on'],
        indexes=[{'columns': ['customer_id', 'coupon_upc', 'campaign_id', 'redeemed_on']}],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {
                    'source': ['marketing', 'coupon_redemptions'],
                    'key': {
                        'customer_id': 'customer_id',
                        'coupon_upc': 'coupon_upc',
                        'campaign_id': 'campaign_id',
                        'redeemed_on': 'redeemed_on',
                    },
                },
                {
                    'versions_of': 'dim_customers',
                    'through': 'stg_marketing__coupon_redemptions',
                    'on': 'redeemed_on',
                    'key': ['customer_id', 'coupon_upc', 'campaign_id', 'redeemed_on'],
                },
            ]
        }
    )
}}

with coupon_redemptions as (

    select * from {{ ref('stg_marketing__coupon_redemptions') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

customer_versions as (

    select * from {{ ref('int_customer_versions') }}

)

-- The household as it was at the end of the day.
select
    coalesce(
        customer_versions.customer_key, {{ surrogate_key(['coupon_redemptions.customer_id']) | indent(8) }}
    ) as customer_key,
    coupon_redemptions.customer_id,
    coupon_redemptions.coupon_upc,
    {{ surrogate_key(['coupon_redemptions.campaign_id', 'coupon_redemptions.coupon_upc']) }} as coupon_key,
    {{ surrogate_key(['coupon_redemptions.campaign_id']) }} as campaign_key,
    coupon_redemptions.campaign_id,
    coupon_redemptions.redeemed_on,
    coupon_redemptions.load_id
from coupon_redemptions
left join customer_versions
    on
        coupon_redemptions.customer_id = customer_versions.customer_id
        and coupon_redemptions.redeemed_on >= {{ business_date('customer_versions.valid_from') }}
        and coupon_redemptions.redeemed_on < {{ business_date('customer_versions.valid_to') }}
