with customers as (

    select * from {{ ref('stg_crm__customers__versions') }}

),

addresses as (

    select * from {{ ref('stg_crm__addresses__versions') }}

),

followed as (

    select
        *,
        lead(updated_at) over (partition by address_id order by updated_at asc nulls last) as next_updated_at
    from addresses

),

-- Until the next version, or until the address was deleted.
periods as (

    select
        address_id,
        customer_id,
        address_type,
        city,
        region,
        country_code,
        updated_at,
        case
            when next_updated_at is null or ended_at < next_updated_at then ended_at
            else next_updated_at
        end as replaced_at
    from followed
    where not is_forgotten

),

-- Whenever the customer's record, or one of their addresses, became another.
moments as (

    select
        customer_id,
        updated_at as changed_at
    from customers
    union distinct
    select
        customer_id,
        updated_at as changed_at
    from periods
    union distinct
    select
        customer_id,
        replaced_at as changed_at
    from periods
    where replaced_at is not null

),

homes as (

    select * from periods
    where address_type = 'home'

),

-- The home at a moment is, of those that stood then, the one changed last.
standing as (

    select
        moments.customer_id,
        moments.changed_at,
        homes.city,
        homes.region,
        homes.country_code,
        row_number() over (
            partition by moments.customer_id, moments.changed_at
            order by homes.updated_at desc nulls last, homes.address_id desc nulls last
        ) as recency_rank
    from moments
    inner join homes
        on
            moments.customer_id = homes.customer_id
            and moments.changed_at >= homes.updated_at
            and (homes.replaced_at is null or moments.changed_at < homes.replaced_at)

),

first_homes as (

    select
        customer_id,
        city,
        region,
        country_code,
        updated_at,
        row_number() over (
            partition by customer_id
            order by updated_at asc nulls last, address_id desc nulls last
        ) as age_rank
    from homes

)

-- Before the first home was known it is taken to have been that one.
select
    moments.customer_id,
    moments.changed_at,
    case when moments.changed_at < first_homes.updated_at then first_homes.city else standing.city end as city,
    case when moments.changed_at < first_homes.updated_at then first_homes.region else standing.region end as region,
    case
        when moments.changed_at < first_homes.updated_at then first_homes.country_code
        else standing.country_code
    end as country_code
from moments
left join standing
    on
        moments.customer_id = standing.customer_id
        and moments.changed_at = standing.changed_at
        and standing.recency_rank = 1
left join first_homes
    on
        moments.customer_id = first_homes.customer_id
        and first_homes.age_rank = 1
