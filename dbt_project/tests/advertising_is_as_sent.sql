-- Every row of fct_ad_performance_daily says what the source says; what is charged
-- in the base currency needs no rate, and the rest has that of the last day that
-- has one. One row a campaign, channel and day that differs, is missing or is
-- surplus.
with made as (

    select * from {{ ref('fct_ad_performance_daily') }}

),

ad_performance as (

    select * from {{ source_as_of('marketing', 'ad_performance') }}

),

exchange_rates as (

    select * from {{ source_as_of('planning', 'exchange_rates') }}

),

rated as (

    select
        ad_performance.campaign_id,
        ad_performance.ad_channel,
        ad_performance.performance_date,
        exchange_rates.rate_to_base,
        row_number() over (
            partition by ad_performance.campaign_id, ad_performance.ad_channel, ad_performance.performance_date
            order by exchange_rates.rate_date desc
        ) as age
    from ad_performance
    inner join exchange_rates
        on
            ad_performance.currency_code = exchange_rates.currency_code
            and ad_performance.performance_date >= exchange_rates.rate_date

),

expected as (

    select
        ad_performance.campaign_id,
        ad_performance.ad_channel,
        ad_performance.performance_date,
        {{ surrogate_key(['ad_performance.ad_channel']) }} as channel_key,
        {{ surrogate_key(['ad_performance.campaign_id']) }} as campaign_key,
        ad_performance.impressions,
        ad_performance.clicks,
        ad_performance.conversions,
        ad_performance.currency_code,
        ad_performance.cost_amount,
        case
            when ad_performance.currency_code = {{ base_currency() }} then ad_performance.cost_amount
            else round(ad_performance.cost_amount * rated.rate_to_base, 2)
        end as base_cost_amount,
        ad_performance._load_id as load_id
    from ad_performance
    left join rated
        on
            ad_performance.campaign_id = rated.campaign_id
            and ad_performance.ad_channel = rated.ad_channel
            and ad_performance.performance_date = rated.performance_date
            and rated.age = 1

)

{{ rows_that_differ(['campaign_id', 'ad_channel', 'performance_date'], [
    'campaign_key',
    'channel_key',
    'impressions',
    'clicks',
    'conversions',
    'currency_code',
    'cost_amount',
    'base_cost_amount',
    'load_id',
]) }}
