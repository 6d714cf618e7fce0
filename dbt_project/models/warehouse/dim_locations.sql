with locations as (

    select * from {{ ref('stg_erp__locations') }}

),

named as (

    select * from {{ ref('int_locations_named') }}

),

-- All that the erp sent, all that facts name, and the unknown member: its number
-- is NULL, for any number may be a record's.
members as (

    select location_id from locations
    union distinct
    select location_id from named
    union distinct
    select null as location_id

)

select
    {{ surrogate_key(['members.location_id']) }} as location_key,
    members.location_id,
    locations.location_id is null as is_inferred,
    coalesce(locations.location_type, 'Unknown') as location_type,
    coalesce(locations.location_name, 'Unknown') as location_name,
    coalesce(locations.city, 'Unknown') as city,
    coalesce(locations.region, 'Unknown') as region,
    coalesce(locations.country_code, 'Unknown') as country_code,
    locations.timezone,
    locations.opened_on,
    locations.load_id
from members
left join locations on members.location_id = locations.location_id
