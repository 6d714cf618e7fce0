-- What customer_360 counts from fct_orders is what dim_customers has from the
-- orders themselves. One row a customer that differs or is missing. The unknown
-- customer is nobody's number and left out.
with made as (

    select * from {{ ref('customer_360') }}
    where customer_key <> {{ unknown_key() }}

),

expected as (

    select
        customer_durable_key as customer_key,
        customer_id,
        first_order_date,
        last_order_date,
        order_count
    from {{ ref('dim_customers') }}
    where
        is_current
        and customer_durable_key <> {{ unknown_key() }}

)

{{ rows_that_differ(['customer_key'], ['customer_id', 'first_order_date', 'last_order_date', 'order_count']) }}
