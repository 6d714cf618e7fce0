with orders as (

    select * from {{ ref('fct_orders') }}

),

sales as (

    select * from {{ ref('fct_sales') }}

),

dates as (

    select * from {{ ref('dim_dates') }}

),

known_customers as (

    select * from {{ ref('dim_customers') }}
    where is_current

),

books as (

    select min(order_date) as books_begin from orders

),

-- The unknown customer has no first order. Of two orders at one moment the lower number is the earlier one.
numbered_orders as (

    select
        order_id,
        customer_id,
        {{ first_day_of('month', 'order_date') }} as order_month,
        row_number() over (
            partition by customer_id
            order by ordered_at asc nulls last, order_id asc nulls last
        ) as order_number
    from orders
    where
        not is_cancelled
        and customer_id is not null

),

first_months as (

    select
        customer_id,
        min(order_month) as cohort_month,
        min(case when order_number = 2 then order_month end) as repeat_month
    from numbered_orders
    group by customer_id

),

-- Old customers stand apart: the month in which the books first see them is not that in which they came.
customers as (

    select
        first_months.customer_id,
        first_months.cohort_month,
        {{ is_first_order_known('known_customers.registered_on', 'books.books_begin') }} as is_first_order_known,
        first_months.repeat_month
    from first_months
    inner join known_customers on first_months.customer_id = known_customers.customer_id
    cross join books

),

cohorts as (

    select
        cohort_month,
        is_first_order_known,
        count(*) as customers
    from customers
    group by
        cohort_month,
        is_first_order_known

),

order_months as (

    select
        customers.cohort_month,
        customers.is_first_order_known,
        numbered_orders.order_month,
        {{ active_customers('numbered_orders.customer_id') }} as active_customers,
        count(*) as order_count
    from numbered_orders
    inner join customers on numbered_orders.customer_id = customers.customer_id
    group by
        customers.cohort_month,
        customers.is_first_order_known,
        numbered_orders.order_month

),

customer_sales as (

    select
        customer_id,
        {{ first_day_of('month', 'order_date') }} as order_month,
        {{ net_sales() }} as sales_amount
    from sales
    group by
        customer_id,
        {{ first_day_of('month', 'order_date') }}

),

sales_months as (

    select
        customers.cohort_month,
        customers.is_first_order_known,
        customer_sales.order_month,
        {{ net_sales('customer_sales.sales_amount') }} as sales_amount
    from customer_sales
    inner join customers on customer_sales.customer_id = customers.customer_id
    group by
        customers.cohort_month,
        customers.is_first_order_known,
        customer_sales.order_month

),

repeat_months as (

    select
        cohort_month,
        is_first_order_known,
        repeat_month,
        count(*) as customers
    from customers
    where repeat_month is not null
    group by
        cohort_month,
        is_first_order_known,
        repeat_month

),

-- Up to today, or to the last order if the build was told an earlier day.
last_months as (

    select max(order_month) as last_month from numbered_orders
    union all
    select {{ first_day_of('month', as_of_date()) }} as last_month

),

bounds as (

    select max(last_month) as last_month from last_months

),

months as (

    select dates.date_day as order_month
    from dates
    inner join bounds on dates.date_day <= bounds.last_month
    where dates.date_day = dates.month_start

),

-- Every month since the first, also one in which nobody came.
cells as (

    select
        cohorts.cohort_month,
        cohorts.is_first_order_known,
        months.order_month,
        cohorts.customers,
        coalesce(order_months.active_customers, 0) as active_customers,
        coalesce(order_months.order_count, 0) as order_count,
        {{ total_or_zero('sales_months.sales_amount') }} as sales_amount,
        coalesce(repeat_months.customers, 0) as new_repeat_customers
    from cohorts
    inner join months on cohorts.cohort_month <= months.order_month
    left join order_months
        on
            cohorts.cohort_month = order_months.cohort_month
            and cohorts.is_first_order_known = order_months.is_first_order_known
            and months.order_month = order_months.order_month
    left join sales_months
        on
            cohorts.cohort_month = sales_months.cohort_month
            and cohorts.is_first_order_known = sales_months.is_first_order_known
            and months.order_month = sales_months.order_month
    left join repeat_months
        on
            cohorts.cohort_month = repeat_months.cohort_month
            and cohorts.is_first_order_known = repeat_months.is_first_order_known
            and months.order_month = repeat_months.repeat_month

),

running as (

    select
        cohort_month,
        is_first_order_known,
        order_month,
        customers,
        active_customers,
        order_count,
        sales_amount,
        cast(sum(new_repeat_customers) over (
            partition by cohort_month, is_first_order_known
            order by order_month asc nulls last
            rows between unbounded preceding and current row
        ) as bigint) as repeat_customers,
        cast(sum(sales_amount) over (
            partition by cohort_month, is_first_order_known
            order by order_month asc nulls last
            rows between unbounded preceding and current row
        ) as numeric(18, 2)) as sales_amount_to_date
    from cells

)

select
    cohort_month,
    is_first_order_known,
    {{ months_between('cohort_month', 'order_month') }} as months_since,
    order_month,
    {{ first_day_of('month', as_of_date()) }} > order_month as is_month_over,
    customers,
    active_customers,
    {{ retention_rate('active_customers', 'customers') }} as retention_rate,
    repeat_customers,
    {{ repeat_rate('repeat_customers', 'customers') }} as repeat_rate,
    order_count,
    sales_amount,
    sales_amount_to_date,
    cast({{ quotient('sales_amount_to_date', 'customers') }} as numeric(18, 2)) as sales_per_customer_to_date
from running
