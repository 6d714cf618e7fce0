with sales as (

    select * from {{ ref('fct_sales') }}
    where quantity > 0

),

products as (

    select * from {{ ref('dim_products') }}
    where is_current

),

-- A number is a fraction of its name, and millions of pairs are counted by it.
product_categories as (

    select
        product_id,
        department,
        category,
        case
            when category <> 'Unknown'
                then dense_rank() over (order by department asc nulls last, category asc nulls last)
        end as category_number
    from products

),

categories as (

    select distinct
        category_number,
        department,
        category
    from product_categories
    where category_number is not null

),

-- Of an order that has nothing but what is unknown, one row without a category.
order_categories as (

    select distinct
        sales.order_id,
        product_categories.category_number
    from sales
    left join product_categories on sales.product_id = product_categories.product_id

),

all_orders as (

    select count(distinct order_id) as order_count
    from order_categories

),

-- A pair is in no more orders than the rarer of the two: categories below the
-- least support are left out before pairs are made (the rule behind Apriori).
frequent as (

    select
        order_categories.category_number,
        count(*) as order_count
    from order_categories
    cross join all_orders
    where order_categories.category_number is not null
    group by
        order_categories.category_number,
        all_orders.order_count
    having count(*) >= {{ var('basket_affinity_support', 0.01) }} * all_orders.order_count

),

frequent_items as (

    select
        order_categories.order_id,
        order_categories.category_number
    from order_categories
    inner join frequent on order_categories.category_number = frequent.category_number

),

pairs as (

    select
        one.category_number as one_number,
        other.category_number as other_number,
        count(*) as orders_with_both
    from frequent_items as one
    inner join frequent_items as other
        on
            one.order_id = other.order_id
            and one.category_number < other.category_number
    group by
        one.category_number,
        other.category_number

),

rules as (

    select
        one_number as antecedent_number,
        other_number as consequent_number,
        orders_with_both
    from pairs

    union all

    select
        other_number as antecedent_number,
        one_number as consequent_number,
        orders_with_both
    from pairs

)

select
    antecedents.department as antecedent_department,
    antecedents.category as antecedent_category,
    consequents.department as consequent_department,
    consequents.category as consequent_category,
    all_orders.order_count,
    frequent_antecedents.order_count as orders_with_antecedent,
    frequent_consequents.order_count as orders_with_consequent,
    rules.orders_with_both,
    {{ pair_support('rules.orders_with_both', 'all_orders.order_count') }} as pair_support,
    {{ confidence('rules.orders_with_both', 'frequent_antecedents.order_count') }} as confidence,
    {{ affinity_lift(
        'rules.orders_with_both',
        'frequent_antecedents.order_count',
        'frequent_consequents.order_count',
        'all_orders.order_count'
    ) }} as affinity_lift
from rules
cross join all_orders
inner join categories as antecedents on rules.antecedent_number = antecedents.category_number
inner join categories as consequents on rules.consequent_number = consequents.category_number
inner join frequent as frequent_antecedents on rules.antecedent_number = frequent_antecedents.category_number
inner join frequent as frequent_consequents on rules.consequent_number = frequent_consequents.category_number
where rules.orders_with_both >= {{ var('basket_affinity_support', 0.01) }} * all_orders.order_count
