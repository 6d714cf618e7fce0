{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['customer_id', 'coupon_upc', 'campaign_id', 'redeemed_on'],
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
            ]
        }
    )
}}

with coupon_redemptions as (

    select * from {{ ref('stg_marketing__coupon_redemptions') }}
    {% if is_incremental() %}
    where
        (customer_id, coupon_upc, campaign_id, redeemed_on) in (
            select
                changed_keys.customer_id,
                changed_keys.coupon_upc,
                changed_keys.campaign_id,
                changed_keys.redeemed_on
            from {{ changed_keys() }} as changed_keys
        )
    {% endif %}

)

select
    {{ surrogate_key(['customer_id']) }} as customer_key,
    customer_id,
    coupon_upc,
    {{ surrogate_key(['campaign_id']) }} as campaign_key,
    campaign_id,
    redeemed_on,
    load_id
from coupon_redemptions
