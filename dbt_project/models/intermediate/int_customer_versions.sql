with customers as (

    select * from {{ ref('stg_crm__customers__versions') }}

),

homes as (

    select * from {{ ref('int_customer_homes') }}

),

records as (

    select
        customer_id,
        age_band,
        income_band,
        home_ownership,
        marital_status,
        household_size,
        household_composition,
        kids_count,
        customer_status,
        marketing_consent,
        registered_at,
        load_id,
        updated_at,
        lead(updated_at) over (partition by customer_id order by updated_at asc nulls last) as replaced_at,
        row_number() over (partition by customer_id order by updated_at asc nulls last) as version_number
    from customers

),

-- At each moment the record and the home of then; the first record holds from the beginning.
moments as (

    select
        records.customer_id,
        homes.changed_at,
        coalesce(records.customer_status, 'Unknown') as customer_status,
        coalesce(records.marketing_consent, false) as marketing_consent,
        coalesce(records.age_band, 'Unknown') as age_band,
        coalesce(records.income_band, 'Unknown') as income_band,
        coalesce(records.home_ownership, 'Unknown') as home_ownership,
        coalesce(records.marital_status, 'Unknown') as marital_status,
        coalesce(records.household_size, 'Unknown') as household_size,
        coalesce(records.household_composition, 'Unknown') as household_composition,
        coalesce(records.kids_count, 'Unknown') as kids_count,
        coalesce(homes.city, 'Unknown') as home_city,
        coalesce(homes.region, 'Unknown') as home_region,
        coalesce(homes.country_code, 'Unknown') as home_country_code,
        coalesce({{ business_date('records.registered_at') }}, cast('0001-01-01' as date)) as registered_on,
        records.load_id
    from homes
    inner join records
        on
            homes.customer_id = records.customer_id
            and (records.version_number = 1 or homes.changed_at >= records.updated_at)
            and (records.replaced_at is null or homes.changed_at < records.replaced_at)

),

{% set attributes = [
    'customer_status', 'marketing_consent', 'age_band', 'income_band', 'home_ownership', 'marital_status',
    'household_size', 'household_composition', 'kids_count', 'home_city', 'home_region', 'home_country_code',
    'registered_on',
] %}
compared as (

    select
        customer_id,
        changed_at,
        load_id,
        {% for attribute in attributes -%}
        {{ attribute }},
        lag({{ attribute }}) over (
            partition by customer_id
            order by changed_at asc nulls last
        ) as previous_{{ attribute }},
        {% endfor -%}
        row_number() over (partition by customer_id order by changed_at asc nulls last) as moment_number
    from moments

),

-- A moment at which nothing that the dimension shows became another begins no version.
changes as (

    select * from compared
    where
        moment_number = 1
        {% for attribute in attributes -%}
        or {{ attribute }} <> previous_{{ attribute }}
        {% endfor %}
),

ordered as (

    select
        *,
        lead(changed_at) over (partition by customer_id order by changed_at asc nulls last) as replaced_at
    from changes

)

select
    {{ version_key(['customer_id'], 'changed_at', 'moment_number = 1') }} as customer_key,
    customer_id,
    case when moment_number = 1 then {{ beginning_of_time() }} else changed_at end as valid_from,
    coalesce(replaced_at, {{ end_of_time() }}) as valid_to,
    replaced_at is null as is_current,
    customer_status,
    marketing_consent,
    age_band,
    income_band,
    home_ownership,
    marital_status,
    household_size,
    household_composition,
    kids_count,
    home_city,
    home_region,
    home_country_code,
    nullif(registered_on, cast('0001-01-01' as date)) as registered_on,
    load_id
from ordered
