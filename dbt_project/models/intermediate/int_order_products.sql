with order_lines as (

    select * from {{ ref('stg_erp__order_lines') }}

),

returns as (

    select * from {{ ref('stg_erp__returns') }}

),

orders as (

    select * from {{ ref('stg_erp__orders') }}

),

named as (

    select
        order_id,
        product_id
    from order_lines
    union distinct
    select
        order_id,
        product_id
    from returns

)

select
    named.order_id,
    named.product_id,
    orders.ordered_at
from named
inner join orders on named.order_id = orders.order_id
