-- Currencies whose last rate is old on the build's day: it is still used, and
-- freshness looks at the table, where one currency's rates hide another's that stopped.
with exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}
    where date_day = {{ as_of_date() }}

)

select
    currency_code,
    rate_date,
    {{ days_between('rate_date', 'date_day') }} as days_old
from exchange_rates
where {{ days_between('rate_date', 'date_day') }} > {{ var('rate_holds_days', 10) }}
