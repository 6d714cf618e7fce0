{{
    config(
        materialized='incremental',
        incremental_strategy='replace_changed',
        unique_key=['product_id', 'location_id', 'promotion_year', 'promotion_week'],
        indexes=[{'columns': ['product_id', 'location_id', 'promotion_year', 'promotion_week']}],
        on_schema_change='fail',
        meta={
            'changed_by': [
                {
                    'source': ['marketing', 'promotions'],
                    'key': {
                        'product_id': 'product_id',
                        'location_id': 'location_id',
                        'promotion_year': 'year',
                        'promotion_week': 'week',
                    },
                },
            ]
        }
    )
}}

with promotions as (

    select * from {{ ref('stg_marketing__promotions') }}
    {% if is_incremental() %}
    where {{ is_changed() }}
    {% endif %}

),

-- A product that was shown in several ways in one week is one row: code 0 says
-- that a way was none, and gives way to any other.
shown as (

    select
        product_id,
        location_id,
        promotion_year,
        promotion_week,
        count(distinct case when display_location <> '0' then display_location end) as display_count,
        count(distinct case when mailer_location <> '0' then mailer_location end) as mailer_count,
        max(case when display_location <> '0' then display_location end) as display_location,
        max(case when mailer_location <> '0' then mailer_location end) as mailer_location,
        max(load_id) as load_id
    from promotions
    group by
        product_id,
        location_id,
        promotion_year,
        promotion_week

),

weeks as (

    select distinct
        promotion_year,
        promotion_week,
        {{ first_day_of_year('promotion_year') }} as year_start
    from promotions

),

mondays as (

    select
        promotion_year,
        promotion_week,
        year_start,
        {{ add_days('7 * (promotion_week - 1) + 1 - (' ~ iso_weekday('year_start') ~ ')', 'year_start') }} as monday
    from weeks

),

-- A week belongs to one year: the first begins, and the last ends, with it.
week_days as (

    select
        promotion_year,
        promotion_week,
        greatest(monday, year_start) as first_day,
        least({{ add_days(6, 'monday') }}, {{ add_days(-1, first_day_of_year('promotion_year + 1')) }}) as last_day
    from mondays

)

select
    {{ surrogate_key(['shown.product_id']) }} as product_durable_key,
    shown.product_id,
    {{ surrogate_key(['shown.location_id']) }} as location_key,
    shown.location_id,
    shown.promotion_year,
    shown.promotion_week,
    case when week_days.first_day <= week_days.last_day then week_days.first_day end as first_day,
    case when week_days.first_day <= week_days.last_day then week_days.last_day end as last_day,
    case
        when shown.display_count > 0 and shown.mailer_count > 0 then 'display_and_mailer'
        when shown.display_count > 0 then 'display'
        when shown.mailer_count > 0 then 'mailer'
        else 'none'
    end as promotion_kind,
    shown.display_count,
    shown.mailer_count,
    case shown.display_count
        when 0 then '0'
        when 1 then shown.display_location
        else 'several'
    end as display_location,
    case shown.mailer_count
        when 0 then '0'
        when 1 then shown.mailer_location
        else 'several'
    end as mailer_location,
    shown.load_id
from shown
inner join week_days
    on
        shown.promotion_year = week_days.promotion_year
        and shown.promotion_week = week_days.promotion_week
