-- What came back is one number in every table that shows it. One row a table that differs.
with compared as (

    select
        'product_performance' as table_name,
        (select {{ total_amount('returned_amount') }} from {{ ref('product_performance') }}) as returned_amount,
        (select {{ total_amount('returned_amount') }} from {{ ref('revenue_bridge_monthly') }}) as expected_amount

    union all

    select
        'lifetime_value' as table_name,
        (select {{ total_amount('returned_amount') }} from {{ ref('lifetime_value') }}) as returned_amount,
        (
            select {{ total_amount('returned_amount') }}
            from {{ ref('orders_wide') }}
            where
                not is_cancelled
                and customer_id is not null
        ) as expected_amount

)

select
    table_name,
    returned_amount,
    expected_amount
from compared
where returned_amount <> expected_amount
