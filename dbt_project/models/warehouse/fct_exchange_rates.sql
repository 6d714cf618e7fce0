with exchange_rates as (

    select * from {{ ref('stg_planning__exchange_rates') }}

),

dates as (

    select * from {{ ref('dim_dates') }}

),

-- A rate holds until the next one of its currency.
ranges as (

    select
        currency_code,
        rate_to_base,
        rate_date as first_day,
        lead(rate_date) over (
            partition by currency_code
            order by rate_date asc nulls last
        ) as day_after_last,
        load_id
    from exchange_rates
    where currency_code <> {{ base_currency() }}

)

select
    ranges.currency_code,
    dates.date_day,
    ranges.rate_to_base,
    ranges.first_day as rate_date,
    ranges.load_id
from ranges
inner join dates
    on
        ranges.first_day <= dates.date_day
        and (ranges.day_after_last is null or ranges.day_after_last > dates.date_day)

union all

-- The base currency needs no rate: one is one, on every day.
select
    {{ base_currency() }} as currency_code,
    date_day,
    cast(1 as numeric(18, 8)) as rate_to_base,
    date_day as rate_date,
    cast(null as bigint) as load_id
from dates
