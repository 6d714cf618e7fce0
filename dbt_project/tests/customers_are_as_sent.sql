-- The current version of every customer in dim_customers says what the crm says of
-- them and what their orders in the erp come to. One row a customer that differs, is missing or is
-- surplus; members that the crm has not sent are left out. Homes and former versions are held by
-- customer_versions_are_as_sent.
with made as (

    select * from {{ ref('dim_customers') }}
    where
        is_current
        and not is_inferred

),

customers as (

    select * from {{ source_as_of('crm', 'customers') }}

),

orders as (

    select * from {{ source_as_of('erp', 'orders') }}

),

bands as (

    select * from {{ ref('customer_bands') }}

),

ordered as (

    select
        customer_id,
        {{ business_date('min(ordered_at)') }} as first_order_date,
        {{ business_date('max(ordered_at)') }} as last_order_date,
        count(*) as order_count
    from orders
    where status <> 'cancelled'
    group by customer_id

),

expected as (

    select
        customers.customer_id,
        {{ surrogate_key(['customers.customer_id']) }} as customer_durable_key,
        customers.status as customer_status,
        coalesce(customers.marketing_consent, false) as marketing_consent,
        coalesce(customers.age_band, 'Unknown') as age_band,
        coalesce((
            select bands.band_order from bands
            where bands.attribute = 'age_band' and bands.band = customers.age_band
        ), 0) as age_band_order,
        coalesce(customers.income_band, 'Unknown') as income_band,
        coalesce((
            select bands.band_order from bands
            where bands.attribute = 'income_band' and bands.band = customers.income_band
        ), 0) as income_band_order,
        coalesce(customers.home_ownership, 'Unknown') as home_ownership,
        coalesce(customers.marital_status, 'Unknown') as marital_status,
        coalesce(customers.household_size, 'Unknown') as household_size,
        coalesce(customers.household_composition, 'Unknown') as household_composition,
        coalesce(customers.kids_count, 'Unknown') as kids_count,
        {{ business_date('customers.registered_at') }} as registered_on,
        ordered.first_order_date,
        ordered.last_order_date,
        coalesce(ordered.order_count, 0) as order_count
    from customers
    left join ordered on customers.customer_id = ordered.customer_id

)

{{ rows_that_differ(['customer_id'], [
    'customer_durable_key',
    'customer_status',
    'marketing_consent',
    'age_band',
    'age_band_order',
    'income_band',
    'income_band_order',
    'home_ownership',
    'marital_status',
    'household_size',
    'household_composition',
    'kids_count',
    'registered_on',
    'first_order_date',
    'last_order_date',
    'order_count',
]) }}
