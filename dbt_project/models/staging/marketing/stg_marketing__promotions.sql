with source as (

    select * from {{ source_as_of('marketing', 'promotions') }}

)

select
    product_id,
    location_id,
    year as promotion_year,
    week as promotion_week,
    display_location,
    mailer_location,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
