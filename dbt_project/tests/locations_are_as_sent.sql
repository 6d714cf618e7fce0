-- Every location in dim_locations says what the erp says of it. One row a location
-- that differs, is missing or is surplus; members that the erp has not sent are
-- left out.
with made as (

    select * from {{ ref('dim_locations') }}
    where not is_inferred

),

locations as (

    select * from {{ source_as_of('erp', 'locations') }}

),

expected as (

    select
        location_id,
        {{ surrogate_key(['location_id']) }} as location_key,
        location_type,
        trim(name) as location_name,
        coalesce(trim(city), 'Unknown') as city,
        coalesce(trim(region), 'Unknown') as region,
        coalesce(country_code, 'Unknown') as country_code,
        timezone,
        opened_on,
        _load_id as load_id
    from locations

)

{{ rows_that_differ(['location_id'], [
    'location_key',
    'location_type',
    'location_name',
    'city',
    'region',
    'country_code',
    'timezone',
    'opened_on',
    'load_id',
]) }}
