-- basket_affinity counts the orders that fct_orders has, less those that hold
-- nothing of a quantity above 0; of a pair, both directions say the same. One row a
-- pair that differs.
with rules as (

    select * from {{ ref('basket_affinity') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

sold as (

    select distinct order_id
    from order_lines
    where quantity > 0

),

expected as (

    select count(*) as order_count
    from orders
    inner join sold on orders.order_id = sold.order_id
    where not orders.is_cancelled

)

select
    rules.antecedent_department,
    rules.antecedent_category,
    rules.consequent_department,
    rules.consequent_category,
    rules.order_count,
    expected.order_count as expected_order_count,
    rules.orders_with_both,
    reverse.orders_with_both as orders_with_both_reversed,
    rules.affinity_lift,
    reverse.affinity_lift as affinity_lift_reversed
from rules
cross join expected
left join rules as reverse
    on
        rules.antecedent_department = reverse.consequent_department
        and rules.antecedent_category = reverse.consequent_category
        and rules.consequent_department = reverse.antecedent_department
        and rules.consequent_category = reverse.antecedent_category
where
    reverse.orders_with_both is null
    or rules.order_count <> expected.order_count
    or rules.orders_with_both <> reverse.orders_with_both
    or rules.orders_with_antecedent <> reverse.orders_with_consequent
    or rules.affinity_lift <> reverse.affinity_lift
