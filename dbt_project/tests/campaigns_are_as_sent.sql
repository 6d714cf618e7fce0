-- Every campaign in dim_campaigns says what marketing says of it, and lasts from
-- its first day to its last, both included. One row a campaign that differs, is
-- missing or is surplus; members that marketing has not sent are left out.
with made as (

    select
        *,
        {{ add_days('duration_days', 'start_date') }} as day_after_last
    from {{ ref('dim_campaigns') }}
    where not is_inferred

),

campaigns as (

    select * from {{ source_as_of('marketing', 'campaigns') }}

),

expected as (

    select
        campaign_id,
        {{ surrogate_key(['campaign_id']) }} as campaign_key,
        campaign_type,
        trim(name) as campaign_name,
        start_date,
        end_date,
        {{ add_days(1, 'end_date') }} as day_after_last,
        budget_amount,
        currency_code,
        _load_id as load_id
    from campaigns

)

{{ rows_that_differ(['campaign_id'], [
    'campaign_key',
    'campaign_type',
    'campaign_name',
    'start_date',
    'end_date',
    'day_after_last',
    'budget_amount',
    'currency_code',
    'load_id',
]) }}
