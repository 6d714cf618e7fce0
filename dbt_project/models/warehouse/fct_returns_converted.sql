{{ config(materialized='view') }}

with returns as (

    select * from {{ ref('fct_returns') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

)

-- A return without a rate of its day keeps its row and has no amount in the base currency.
select
    returns.return_id,
    returns.order_id,
    returns.product_key,
    returns.product_id,
    returns.customer_key,
    returns.customer_id,
    returns.channel,
    returns.return_reason,
    returns.return_date,
    returns.quantity,
    returns.currency_code,
    returns.refund_amount,
    {{ in_base_currency(
        'returns.refund_amount', 'returns.currency_code', 'exchange_rates.rate_to_base'
    ) | indent(4) }} as base_refund_amount
from returns
left join exchange_rates
    on
        returns.currency_code = exchange_rates.currency_code
        and returns.currency_code <> {{ base_currency() }}
        and returns.return_date = exchange_rates.date_day
