-- At each moment at which the crm says that something became another, the version of that moment in
-- dim_customers is what the record and the home of then say; and a version begins at such a moment,
-- with something that was not so before. One row a moment of a customer where that is not so.
{% set attributes = [
    'customer_status', 'marketing_consent', 'age_band', 'income_band', 'home_ownership', 'marital_status',
    'household_size', 'household_composition', 'kids_count', 'registered_on', 'home_city', 'home_region',
    'home_country_code',
] %}
with made as (

    select
        *,
        lag(valid_from) over (partition by customer_id order by valid_from asc nulls last) as previous_from
    from {{ ref('dim_customers') }}
    where not is_inferred and customer_id is not null

),

known as (

    select * from {{ versions_as_sent('crm', 'customers') }}

),

customers as (

    select
        *,
        min(updated_at) over (partition by customer_id) as first_updated_at
    from known
    where deleted_at is null

),

forgotten as (

    select distinct customer_id from known
    where deleted_at is not null

),

addresses as (

    select * from {{ versions_as_sent('crm', 'addresses') }}

),

-- Another version of the address, and be it another customer's, or its delete.
ends as (

    select
        address.address_id,
        address.updated_at,
        min(other.updated_at) as next_at
    from addresses as address
    inner join addresses as other on address.address_id = other.address_id and address.updated_at < other.updated_at
    group by address.address_id, address.updated_at

),

periods as (

    select
        address.customer_id,
        address.address_id,
        address.address_type,
        trim(address.city) as city,
        trim(address.region) as region,
        address.country_code,
        address.updated_at as since,
        least(
            coalesce(ends.next_at, {{ end_of_time() }}), coalesce(address.deleted_at, {{ end_of_time() }})
        ) as ended_at,
        min(case when address.address_type = 'home' then address.updated_at end) over (
            partition by address.customer_id
        ) as first_home_since
    from addresses as address
    left join ends on address.address_id = ends.address_id and address.updated_at = ends.updated_at
    left join forgotten on address.customer_id = forgotten.customer_id
    where address.deleted_at is null or forgotten.customer_id is null

),

told as (

    select
        customer_id,
        updated_at as moment
    from customers

    union

    select
        customer_id,
        since as moment
    from periods

    union

    select
        customer_id,
        ended_at as moment
    from periods
    where ended_at < {{ end_of_time() }}

),

moments as (

    select
        told.customer_id,
        told.moment
    from told
    where told.customer_id in (select customers.customer_id from customers)

    union

    select
        customer_id,
        {{ beginning_of_time() }} as moment
    from customers

),

-- The latest record up to the moment; before the first, the first.
records as (

    select
        moments.moment,
        customers.*,
        row_number() over (
            partition by moments.customer_id, moments.moment order by customers.updated_at desc nulls last
        ) as place
    from moments
    inner join customers
        on
            moments.customer_id = customers.customer_id
            and (moments.moment >= customers.updated_at or customers.updated_at = customers.first_updated_at)

),

-- Beside it the home changed last of those that stand; as long as there was none yet, the first.
housed as (

    select
        records.*,
        homes.city,
        homes.region,
        homes.country_code,
        row_number() over (
            partition by records.customer_id, records.moment
            order by homes.since desc nulls last, homes.address_id desc nulls last
        ) as home_place
    from records
    left join periods as homes
        on
            records.customer_id = homes.customer_id
            and homes.address_type = 'home'
            and (
                (records.moment >= homes.since and records.moment < homes.ended_at)
                or (homes.since = homes.first_home_since and records.moment < homes.since)
            )
    where records.place = 1

),

expected as (

    select
        customer_id,
        moment,
        status as customer_status,
        coalesce(marketing_consent, false) as marketing_consent,
        coalesce(age_band, 'Unknown') as age_band,
        coalesce(income_band, 'Unknown') as income_band,
        coalesce(home_ownership, 'Unknown') as home_ownership,
        coalesce(marital_status, 'Unknown') as marital_status,
        coalesce(household_size, 'Unknown') as household_size,
        coalesce(household_composition, 'Unknown') as household_composition,
        coalesce(kids_count, 'Unknown') as kids_count,
        {{ business_date('registered_at') }} as registered_on,
        coalesce(city, 'Unknown') as home_city,
        coalesce(region, 'Unknown') as home_region,
        coalesce(country_code, 'Unknown') as home_country_code,
        _load_id as load_id
    from housed
    where home_place = 1

)

select
    'not as sent' as fault,
    expected.customer_id,
    expected.moment
from expected
left join made
    on
        expected.customer_id = made.customer_id
        and expected.moment >= made.valid_from
        and expected.moment < made.valid_to
where
    made.customer_id is null
    or (expected.moment = made.valid_from and expected.load_id <> made.load_id)
    {% for attribute in attributes -%}
    or expected.{{ attribute }} is distinct from made.{{ attribute }}
    {% endfor %}

union all

select
    'begins without a reason' as fault,
    made.customer_id,
    made.valid_from as moment
from made
left join made as previous
    on made.customer_id = previous.customer_id and made.previous_from = previous.valid_from
left join moments
    on made.customer_id = moments.customer_id and made.valid_from = moments.moment
where
    moments.customer_id is null
    or (
        previous.customer_id is not null
        {% for attribute in attributes -%}
        and made.{{ attribute }} is not distinct from previous.{{ attribute }}
        {% endfor %}
    )
