with orders as (

    select * from {{ ref('fct_orders') }}

),

sales as (

    select * from {{ ref('fct_sales_costed') }}

),

payments as (

    select * from {{ ref('fct_payments') }}

),

returns as (

    select * from {{ ref('fct_returns_costed') }}

),

fulfilment as (

    select * from {{ ref('fct_order_fulfilment') }}

),

customers as (

    select * from {{ ref('dim_customers') }}

),

locations as (

    select * from {{ ref('dim_locations') }}

),

customer_segments as (

    select * from {{ ref('customer_360') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

sold as (

    select
        order_id,
        {{ total_amount('retail_discount') }} as retail_discount,
        {{ total_amount('coupon_match_discount') }} as coupon_match_discount,
        {{ total_amount('coupon_discount') }} as coupon_discount,
        {{ net_sales() }} as sales_amount,
        {{ known_total('cost_amount') }} as cost_amount,
        sum(
            case when coupon_discount <> 0 or coupon_match_discount <> 0 then 1 else 0 end
        ) as lines_with_coupon
    from sales
    group by order_id

),

-- Money that moved, in the base currency at the rate of its day.
payments_converted as (

    select
        payments.order_id,
        payments.payment_method,
        payments.payment_status,
        {{ in_base_currency(
            'payments.amount', 'payments.currency_code', 'exchange_rates.rate_to_base'
        ) | indent(8) }} as amount
    from payments
    left join exchange_rates
        on
            payments.currency_code = exchange_rates.currency_code
            and payments.currency_code <> {{ base_currency() }}
            and payments.payment_date = exchange_rates.date_day

),

paid as (

    select
        order_id,
        min(case when payment_status = 'captured' then payment_method end) as first_method,
        max(case when payment_status = 'captured' then payment_method end) as last_method,
        {{ known_total("case when payment_status = 'captured' then amount else 0 end") }} as captured_amount,
        {{ known_total("case when payment_status = 'refunded' then amount else 0 end") }} as refunded_amount
    from payments_converted
    group by order_id

),

returned as (

    select
        order_id,
        count(*) as return_count,
        {{ known_total('refund_amount') }} as returned_amount
    from returns
    group by order_id

),

-- Nothing of a cancelled order was sold. Of one whose lines wait nothing is known, and sales are 0 so far.
order_amounts as (

    select
        orders.order_id,
        {{ total_or_zero('sold.retail_discount') }} as retail_discount,
        {{ total_or_zero('sold.coupon_match_discount') }} as coupon_match_discount,
        {{ total_or_zero('sold.coupon_discount') }} as coupon_discount,
        {{ total_or_zero('sold.sales_amount') }} as sales_amount,
        cast(case when orders.is_cancelled then 0 else sold.cost_amount end as numeric(18, 2)) as cost_amount,
        coalesce(sold.lines_with_coupon, 0) > 0 as has_coupon
    from orders
    left join sold on orders.order_id = sold.order_id

),

books as (

    select min(order_date) as books_begin from orders

),

-- Of two orders at one moment the lower number is the earlier one.
order_numbers as (

    select
        order_id,
        row_number() over (
            partition by customer_id
            order by ordered_at asc nulls last, order_id asc nulls last
        ) as customer_order_number,
        lag(order_date) over (
            partition by customer_id
            order by ordered_at asc nulls last, order_id asc nulls last
        ) as previous_order_date
    from orders
    where
        not is_cancelled
        and customer_id is not null

)

select
    orders.order_id,
    orders.order_date,
    {{ first_day_of('month', 'orders.order_date') }} as order_month,
    orders.ordered_at,
    orders.channel,
    orders.order_status,
    orders.is_cancelled,
    orders.location_key,
    locations.location_id,
    locations.location_name,
    locations.location_type,
    locations.region as location_region,
    orders.customer_key,
    orders.customer_id,
    customer_segments.rfm_segment as customer_segment,
    customers.age_band,
    customers.income_band,
    customers.household_size,
    customers.home_region,
    customers.home_country_code,
    order_numbers.customer_order_number,
    case
        when order_numbers.customer_order_number > 1 then false
        when {{ is_first_order_known('customer_segments.registered_on', 'books.books_begin') }}
            then order_numbers.customer_order_number = 1
    end as is_first_order,
    {{ days_between('order_numbers.previous_order_date', 'orders.order_date') }} as days_since_previous_order,
    orders.has_lines,
    orders.line_count,
    orders.currency_code,
    orders.sales_amount as ordered_amount,
    {{ gross_sales(
        'order_amounts.sales_amount', 'order_amounts.retail_discount', 'order_amounts.coupon_match_discount'
    ) }} as gross_amount,
    order_amounts.retail_discount,
    order_amounts.coupon_match_discount,
    {{ own_discount('order_amounts.retail_discount', 'order_amounts.coupon_match_discount') }} as discount_amount,
    order_amounts.coupon_discount,
    order_amounts.has_coupon,
    order_amounts.sales_amount,
    order_amounts.cost_amount,
    {{ margin('order_amounts.sales_amount', 'order_amounts.cost_amount') }} as margin_amount,
    cast(case when paid.order_id is null then 0 else paid.captured_amount end as numeric(18, 2)) as captured_amount,
    cast(case when paid.order_id is null then 0 else paid.refunded_amount end as numeric(18, 2)) as refunded_amount,
    case
        when paid.first_method = paid.last_method then paid.first_method
        when paid.first_method <> paid.last_method then 'several'
    end as payment_method,
    coalesce(returned.return_count, 0) as return_count,
    cast(
        case when returned.order_id is null then 0 else returned.returned_amount end as numeric(18, 2)
    ) as returned_amount,
    fulfilment.fulfilment_stage,
    fulfilment.parcel_count,
    fulfilment.paid_at,
    fulfilment.shipped_at,
    fulfilment.delivered_at,
    fulfilment.returned_at,
    fulfilment.hours_to_payment,
    fulfilment.hours_to_shipment,
    fulfilment.hours_to_delivery,
    fulfilment.hours_to_return
from orders
inner join order_amounts on orders.order_id = order_amounts.order_id
inner join customers on orders.customer_key = customers.customer_key
inner join locations on orders.location_key = locations.location_key
inner join fulfilment on orders.order_id = fulfilment.order_id
cross join books
left join customer_segments on orders.customer_id = customer_segments.customer_id
left join paid on orders.order_id = paid.order_id
left join returned on orders.order_id = returned.order_id
left join order_numbers on orders.order_id = order_numbers.order_id
