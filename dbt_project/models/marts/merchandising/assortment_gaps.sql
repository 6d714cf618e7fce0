-- An order placed online has the store that looks after the customer, and is packed elsewhere as
-- a rule: it tells nothing of what stands on the store's shelves.
with sales as (

    select * from {{ ref('fct_sales') }}
    where
        quantity > 0
        and channel = 'store'
        and order_date > {{ add_days('- ' ~ var('assortment_days', 91), as_of_date()) }}
        and order_date <= {{ as_of_date() }}

),

products as (

    select * from {{ ref('dim_products') }}
    where is_current

),

locations as (

    select * from {{ ref('dim_locations') }}

),

-- Numbers instead of names: stores are compared pair by pair.
typed_products as (

    select
        product_id,
        department,
        category,
        product_type,
        dense_rank() over (order by department asc nulls last, category asc nulls last) as category_number,
        dense_rank() over (
            order by department asc nulls last, category asc nulls last, product_type asc nulls last
        ) as type_number
    from products
    where product_type <> 'Unknown'

),

product_types as (

    select distinct
        type_number,
        department,
        category,
        product_type
    from typed_products

),

all_orders as (

    select count(distinct order_id) as order_count
    from sales

),

-- A store of few orders sells little of anything, by chance: it has no gaps, and
-- is no measure of others.
stores as (

    select
        sales.location_key,
        count(distinct sales.order_id) as order_count,
        {{ net_sales('sales.sales_amount') }} as sales_amount
    from sales
    cross join all_orders
    where sales.location_key <> {{ unknown_key() }}
    group by
        sales.location_key,
        all_orders.order_count
    having
        count(distinct sales.order_id) >= {{ var('assortment_store_share', 0.001) }} * all_orders.order_count
        and sum(sales.sales_amount) > 0

),

store_types as (

    select
        sales.location_key,
        typed_products.type_number,
        typed_products.category_number,
        {{ net_sales('sales.sales_amount') }} as sales_amount
    from sales
    inner join stores on sales.location_key = stores.location_key
    inner join typed_products on sales.product_id = typed_products.product_id
    group by
        sales.location_key,
        typed_products.type_number,
        typed_products.category_number

),

store_categories as (

    select
        store_types.location_key,
        store_types.category_number,
        {{ ratio('sum(store_types.sales_amount)', 'max(stores.sales_amount)') }} as sales_share
    from store_types
    inner join stores on store_types.location_key = stores.location_key
    group by
        store_types.location_key,
        store_types.category_number

),

similarities as (

    select
        own.location_key,
        peers.location_key as peer_key,
        sum(least(own.sales_share, peers.sales_share)) as similarity
    from store_categories as own
    inner join store_categories as peers
        on
            own.category_number = peers.category_number
            and own.location_key <> peers.location_key
    group by
        own.location_key,
        peers.location_key

),

ranked as (

    select
        location_key,
        peer_key,
        similarity,
        row_number() over (
            partition by location_key
            order by similarity desc nulls first, peer_key asc nulls last
        ) as peer_rank
    from similarities

),

peers as (

    select
        ranked.location_key,
        ranked.peer_key,
        ranked.similarity,
        stores.sales_amount
    from ranked
    inner join stores on ranked.peer_key = stores.location_key
    where ranked.peer_rank <= {{ var('assortment_peers', 10) }}

),

peer_totals as (

    select
        location_key,
        count(*) as peer_count,
        avg(similarity) as mean_similarity,
        sum(sales_amount) as sales_amount
    from peers
    group by location_key

),

peer_types as (

    select
        peers.location_key,
        store_types.type_number,
        count(*) as peers_selling,
        sum(store_types.sales_amount) as sales_amount
    from peers
    inner join store_types on peers.peer_key = store_types.location_key
    group by
        peers.location_key,
        store_types.type_number

),

gaps as (

    select
        peer_types.location_key,
        peer_types.type_number,
        stores.order_count as store_orders,
        stores.sales_amount as store_sales_amount,
        peer_totals.peer_count,
        peer_totals.mean_similarity,
        peer_types.peers_selling,
        {{ ratio('peer_types.sales_amount', 'peer_totals.sales_amount') }} as peer_sales_share,
        {{ expected_sales(
            'stores.sales_amount', 'peer_types.sales_amount', 'peer_totals.sales_amount'
        ) }} as expected_sales_amount
    from peer_types
    inner join peer_totals on peer_types.location_key = peer_totals.location_key
    inner join stores on peer_types.location_key = stores.location_key
    left join store_types
        on
            peer_types.location_key = store_types.location_key
            and peer_types.type_number = store_types.type_number
    where
        store_types.location_key is null
        and peer_types.peers_selling >= {{ var('assortment_peer_share', 0.5) }} * peer_totals.peer_count

),

ranked_gaps as (

    select
        *,
        row_number() over (
            partition by location_key
            order by expected_sales_amount desc nulls first, type_number asc nulls last
        ) as gap_rank
    from gaps

)

select
    locations.location_id,
    locations.location_name,
    product_types.department,
    product_types.category,
    product_types.product_type,
    ranked_gaps.gap_rank,
    ranked_gaps.store_orders,
    ranked_gaps.store_sales_amount,
    ranked_gaps.peer_count,
    cast(ranked_gaps.mean_similarity as numeric(18, 6)) as mean_similarity,
    ranked_gaps.peers_selling,
    ranked_gaps.peer_sales_share,
    ranked_gaps.expected_sales_amount
from ranked_gaps
inner join locations on ranked_gaps.location_key = locations.location_key
inner join product_types on ranked_gaps.type_number = product_types.type_number
where ranked_gaps.gap_rank <= {{ var('assortment_gaps_shown', 50) }}
