with orders as (

    select * from {{ ref('fct_orders') }}

),

sales as (

    select * from {{ ref('fct_sales_costed') }}

),

returns as (

    select * from {{ ref('fct_returns_costed') }}

),

dates as (

    select * from {{ ref('dim_dates') }}

),

order_totals as (

    select
        customer_id,
        {{ first_day_of('month', 'min(order_date)') }} as cohort_month,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        {{ orders_counted() }} as order_count
    from orders
    where
        not is_cancelled
        and customer_id is not null
    group by customer_id

),

sales_totals as (

    select
        customer_id,
        {{ net_sales() }} as sales_amount,
        {{ known_total('cost_amount') }} as cost_amount
    from sales
    group by customer_id

),

return_totals as (

    select
        customer_id,
        {{ known_total('refund_amount') }} as returned_amount,
        {{ known_total('cost_amount') }} as returned_cost_amount
    from returns
    where
        not is_cancelled
        and customer_id is not null
    group by customer_id

),

customer_months as (

    select
        customer_id,
        {{ first_day_of('month', 'order_date') }} as order_month,
        max(order_date) as last_order_date
    from orders
    where
        not is_cancelled
        and customer_id is not null
    group by
        customer_id,
        {{ first_day_of('month', 'order_date') }}

),

-- The months for which the customer's last order until then is of this one.
spans as (

    select
        customer_id,
        order_month,
        last_order_date,
        lead(order_month) over (partition by customer_id order by order_month asc nulls last) as next_order_month
    from customer_months

),

months as (

    select
        date_day as month_start,
        {{ add_days('-1', add_months(1, 'date_day')) }} as month_end
    from dates
    where date_day = month_start

),

active_months as (

    select
        spans.customer_id,
        months.month_start,
        months.month_end
    from spans
    inner join months
        on
            spans.order_month <= months.month_start
            and (spans.next_order_month is null or spans.next_order_month > months.month_start)
    where {{ is_active_customer(days_between('spans.last_order_date', 'months.month_end')) }}

),

books as (

    select min(order_date) as books_begin from orders

),

-- Who skips a month is not gone: of the customers who were active at the end of a month, those
-- who still were at the end of the next. Of months whose next one is over, for the current month
-- is not all told; and not of the first ones, where nobody can have become inactive yet.
retention as (

    select {{ retention_rate('count(next_months.customer_id)', 'count(*)') }} as monthly_retention_rate
    from active_months
    cross join books
    left join active_months as next_months
        on
            active_months.customer_id = next_months.customer_id
            and {{ months_between('active_months.month_start', 'next_months.month_start') }} = 1
    where
        {{ months_between('active_months.month_start', as_of_date()) }} > 1
        and {{ days_between('books.books_begin', 'active_months.month_end') }} >= {{ active_customer_days() }} - 1

),

customers as (

    select
        order_totals.customer_id,
        order_totals.cohort_month,
        order_totals.first_order_date,
        order_totals.last_order_date,
        {{ is_active_customer(days_between('order_totals.last_order_date', as_of_date())) }} as is_active,
        cast(
            greatest(
                1, {{ quotient(days_between('order_totals.first_order_date', as_of_date()) ~ ' + 1', '30.4375') }}
            ) as numeric(9, 2)
        ) as months_as_customer,
        order_totals.order_count,
        {{ total_or_zero('sales_totals.sales_amount') }} as sales_amount,
        cast(
            case when sales_totals.customer_id is null then 0 else sales_totals.cost_amount end as numeric(18, 2)
        ) as cost_amount,
        cast(
            case when return_totals.customer_id is null then 0 else return_totals.returned_amount end as numeric(18, 2)
        ) as returned_amount,
        cast(
            case
                when return_totals.customer_id is null then 0
                else return_totals.returned_cost_amount
            end as numeric(18, 2)
        ) as returned_cost_amount,
        retention.monthly_retention_rate,
        {{ monthly_discount_rate() }} as monthly_discount_rate
    from order_totals
    left join sales_totals on order_totals.customer_id = sales_totals.customer_id
    left join return_totals on order_totals.customer_id = return_totals.customer_id
    cross join retention

),

valued as (

    select
        customer_id,
        {{ gross_profit(
            'sales_amount', 'returned_amount', 'cost_amount', 'returned_cost_amount'
        ) }} as gross_profit_amount
    from customers

),

-- The formula is of customers that the shop has. Whether the others come back it does not know.
projected as (

    select
        customers.customer_id,
        valued.gross_profit_amount,
        cast(
            {{ quotient('valued.gross_profit_amount', 'customers.months_as_customer') }} as numeric(18, 2)
        ) as monthly_gross_profit_amount,
        case
            when customers.is_active
                then {{ projected_value(
                    quotient('valued.gross_profit_amount', 'customers.months_as_customer'),
                    'customers.monthly_retention_rate',
                    'customers.monthly_discount_rate'
                ) | indent(16) }}
        end as projected_value_amount
    from customers
    inner join valued on customers.customer_id = valued.customer_id

)

select
    {{ surrogate_key(['customers.customer_id']) }} as customer_key,
    customers.customer_id,
    customers.cohort_month,
    customers.first_order_date,
    customers.last_order_date,
    {{ as_of_date() }} as as_of_date,
    customers.is_active,
    customers.months_as_customer,
    customers.order_count,
    customers.sales_amount,
    customers.returned_amount,
    customers.cost_amount,
    customers.returned_cost_amount,
    projected.gross_profit_amount,
    projected.monthly_gross_profit_amount,
    customers.monthly_retention_rate,
    customers.monthly_discount_rate,
    cast(projected.projected_value_amount as numeric(18, 2)) as projected_value_amount
from customers
inner join projected on customers.customer_id = projected.customer_id
