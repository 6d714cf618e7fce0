{{ config(materialized='view') }}

with payments as (

    select * from {{ ref('fct_payments') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

)

-- A payment without a rate of its day keeps its row and has no amount in the base currency.
select
    payments.payment_id,
    payments.order_id,
    payments.payment_method,
    payments.payment_status,
    payments.payment_date,
    payments.currency_code,
    payments.amount,
    payments.net_amount,
    {{ in_base_currency(
        'payments.amount', 'payments.currency_code', 'exchange_rates.rate_to_base'
    ) | indent(4) }} as base_amount,
    {{ in_base_currency(
        'payments.net_amount', 'payments.currency_code', 'exchange_rates.rate_to_base'
    ) | indent(4) }} as base_net_amount
from payments
left join exchange_rates
    on
        payments.currency_code = exchange_rates.currency_code
        and payments.currency_code <> {{ base_currency() }}
        and payments.payment_date = exchange_rates.date_day
