with order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

sales as (

    select * from {{ ref('fct_sales_costed') }}

),

returns as (

    select * from {{ ref('fct_returns_costed') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

sold as (

    select
        {{ first_day_of('month', 'order_date') }} as bridge_month,
        channel,
        department,
        {{ units_sold() }} as units,
        {{ total_amount('retail_discount') }} as retail_discount,
        {{ total_amount('coupon_match_discount') }} as coupon_match_discount,
        {{ total_amount('coupon_discount') }} as coupon_discount,
        {{ net_sales() }} as sales_amount,
        {{ known_total('cost_amount') }} as cost_amount
    from sales
    group by
        {{ first_day_of('month', 'order_date') }},
        channel,
        department

),

cancelled_lines as (

    select
        {{ first_day_of('month', 'order_lines.order_date') }} as bridge_month,
        order_lines.channel,
        products.department,
        {{ in_base_currency(
            'order_lines.sales_amount', 'order_lines.currency_code', 'exchange_rates.rate_to_base'
        ) | indent(8) }} as sales_amount
    from order_lines
    inner join products on order_lines.product_key = products.product_key
    left join exchange_rates
        on
            order_lines.currency_code = exchange_rates.currency_code
            and order_lines.currency_code <> {{ base_currency() }}
            and order_lines.order_date = exchange_rates.date_day
    where order_lines.is_cancelled

),

cancelled as (

    select
        bridge_month,
        channel,
        department,
        {{ known_total('sales_amount') }} as cancelled_amount
    from cancelled_lines
    group by
        bridge_month,
        channel,
        department

),

-- Returns count in the month in which the goods came back. What came back of a
-- cancelled order takes nothing from sales, for it never was one.
returned as (

    select
        {{ first_day_of('month', 'return_date') }} as bridge_month,
        channel,
        department,
        {{ known_total('refund_amount') }} as returned_amount,
        {{ known_total('cost_amount') }} as returned_cost_amount
    from returns
    where not is_cancelled
    group by
        {{ first_day_of('month', 'return_date') }},
        channel,
        department

),

-- A month may have the one without the others.
members as (

    select
        bridge_month,
        channel,
        department
    from sold
    union distinct
    select
        bridge_month,
        channel,
        department
    from cancelled
    union distinct
    select
        bridge_month,
        channel,
        department
    from returned

),

-- 0 where nothing was sold, cancelled or returned; NULL where it was and is not known for how much.
steps as (

    select
        members.bridge_month,
        members.channel,
        members.department,
        coalesce(sold.units, 0) as units,
        {{ total_or_zero('sold.retail_discount') }} as retail_discount,
        {{ total_or_zero('sold.coupon_match_discount') }} as coupon_match_discount,
        {{ total_or_zero('sold.coupon_discount') }} as coupon_discount,
        {{ total_or_zero('sold.sales_amount') }} as sales_amount,
        cast(
            case when cancelled.channel is null then 0 else cancelled.cancelled_amount end as numeric(18, 2)
        ) as cancelled_amount,
        cast(
            case when returned.channel is null then 0 else returned.returned_amount end as numeric(18, 2)
        ) as returned_amount,
        cast(case when sold.channel is null then 0 else sold.cost_amount end as numeric(18, 2)) as cost_amount,
        cast(
            case when returned.channel is null then 0 else returned.returned_cost_amount end as numeric(18, 2)
        ) as returned_cost_amount
    from members
    left join sold
        on
            members.bridge_month = sold.bridge_month
            and members.channel = sold.channel
            and members.department = sold.department
    left join cancelled
        on
            members.bridge_month = cancelled.bridge_month
            and members.channel = cancelled.channel
            and members.department = cancelled.department
    left join returned
        on
            members.bridge_month = returned.bridge_month
            and members.channel = returned.channel
            and members.department = returned.department

)

select
    bridge_month,
    channel,
    department,
    units,
    cast(sales_amount + cancelled_amount as numeric(18, 2)) as ordered_amount,
    cancelled_amount,
    {{ gross_sales('sales_amount', 'retail_discount', 'coupon_match_discount') }} as gross_amount,
    retail_discount,
    coupon_match_discount,
    sales_amount,
    coupon_discount,
    returned_amount,
    {{ net_revenue('sales_amount', 'returned_amount') }} as net_revenue_amount,
    cost_amount,
    returned_cost_amount,
    {{ gross_profit('sales_amount', 'returned_amount', 'cost_amount', 'returned_cost_amount') }} as gross_profit_amount,
    {{ margin('sales_amount', 'cost_amount') }} as margin_amount
from steps
