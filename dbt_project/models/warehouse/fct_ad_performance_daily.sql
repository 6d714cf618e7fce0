with ad_performance as (

    select * from {{ ref('stg_marketing__ad_performance') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

)

-- Costs without a rate of their day stay, and have no amount in the base currency.
select
    {{ surrogate_key(['ad_performance.campaign_id']) }} as campaign_key,
    ad_performance.campaign_id,
    ad_performance.ad_channel,
    {{ surrogate_key(['ad_performance.ad_channel']) }} as channel_key,
    ad_performance.performance_date,
    ad_performance.impressions,
    ad_performance.clicks,
    ad_performance.conversions,
    ad_performance.currency_code,
    ad_performance.cost_amount,
    {{ in_base_currency(
        'ad_performance.cost_amount', 'ad_performance.currency_code', 'exchange_rates.rate_to_base'
    ) | indent(4) }} as base_cost_amount,
    ad_performance.load_id
from ad_performance
left join exchange_rates
    on
        ad_performance.currency_code = exchange_rates.currency_code
        and ad_performance.performance_date = exchange_rates.date_day
