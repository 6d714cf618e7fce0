{{
    config(
        meta={
            'versions_from': [
                {'source': ['crm', 'customers'], 'number': 'customer_id'},
                {'source': ['crm', 'addresses'], 'number': 'customer_id'},
            ]
        }
    )
}}

with customers as (

    select * from {{ ref('int_customer_versions') }}

),

customers_ordered as (

    select * from {{ ref('int_customers_ordered') }}

),

bands as (

    select * from {{ ref('customer_bands') }}

),

named as (

    select * from {{ ref('int_customers_named') }}

),

-- All that the crm sent, all that facts name, and the unknown member: its number
-- is NULL, for any number may be a record's.
members as (

    select customer_id from customers
    union distinct
    select customer_id from named
    union distinct
    select null as customer_id

)

select
    coalesce(customers.customer_key, {{ surrogate_key(['members.customer_id']) | indent(4) }}) as customer_key,
    {{ surrogate_key(['members.customer_id']) }} as customer_durable_key,
    members.customer_id,
    coalesce(customers.valid_from, {{ beginning_of_time() }}) as valid_from,
    coalesce(customers.valid_to, {{ end_of_time() }}) as valid_to,
    coalesce(customers.is_current, true) as is_current,
    customers.customer_id is null as is_inferred,
    coalesce(customers.customer_status, 'Unknown') as customer_status,
    coalesce(customers.marketing_consent, false) as marketing_consent,
    coalesce(customers.age_band, 'Unknown') as age_band,
    coalesce(age_bands.band_order, 0) as age_band_order,
    coalesce(customers.income_band, 'Unknown') as income_band,
    coalesce(income_bands.band_order, 0) as income_band_order,
    coalesce(customers.home_ownership, 'Unknown') as home_ownership,
    coalesce(customers.marital_status, 'Unknown') as marital_status,
    coalesce(customers.household_size, 'Unknown') as household_size,
    coalesce(customers.household_composition, 'Unknown') as household_composition,
    coalesce(customers.kids_count, 'Unknown') as kids_count,
    coalesce(customers.home_city, 'Unknown') as home_city,
    coalesce(customers.home_region, 'Unknown') as home_region,
    coalesce(customers.home_country_code, 'Unknown') as home_country_code,
    customers.registered_on,
    customers_ordered.first_order_date,
    customers_ordered.last_order_date,
    coalesce(customers_ordered.order_count, 0) as order_count,
    customers.load_id
from members
left join customers on members.customer_id = customers.customer_id
left join customers_ordered on members.customer_id = customers_ordered.customer_id
left join bands as age_bands
    on customers.age_band = age_bands.band and age_bands.attribute = 'age_band'
left join bands as income_bands
    on customers.income_band = income_bands.band and income_bands.attribute = 'income_band'
