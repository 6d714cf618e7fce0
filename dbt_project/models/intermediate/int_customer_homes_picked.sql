with addresses as (

    select * from {{ ref('stg_crm__addresses') }}

),

ranked as (

    select
        customer_id,
        city,
        region,
        country_code,
        row_number() over (
            partition by customer_id
            order by updated_at desc, address_id desc
        ) as recency_rank
    from addresses
    where address_type = 'home'

)

select
    customer_id,
    city,
    region,
    country_code
from ranked
where recency_rank = 1
