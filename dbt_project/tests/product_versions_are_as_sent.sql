-- The versions of every product in dim_products are those that the erp has sent since the product was last
-- deleted, each until the next. One row a version that differs, is missing or is surplus; what hangs on
-- other records is held by products_are_as_sent.
with made as (

    select * from {{ ref('dim_products') }}
    where not is_inferred and product_id is not null

),

sent as (

    select * from {{ versions_as_sent('erp', 'products') }}
    where deleted_at is null

),

around as (

    select
        sent.product_id,
        sent.updated_at,
        max(case when other.updated_at < sent.updated_at then other.updated_at end) as previous_at,
        min(case when other.updated_at > sent.updated_at then other.updated_at end) as next_at
    from sent
    inner join sent as other on sent.product_id = other.product_id
    group by sent.product_id, sent.updated_at

),

expected as (

    select
        sent.product_id,
        case when around.previous_at is null then {{ beginning_of_time() }} else sent.updated_at end as valid_from,
        coalesce(around.next_at, {{ end_of_time() }}) as valid_to,
        around.next_at is null as is_current,
        trim(sent.name) as product_name,
        sent.category_id,
        sent.supplier_id,
        coalesce(sent.brand_type, 'Unknown') as brand_type,
        nullif(trim(sent.package_size), '') as package_size,
        sent.list_price,
        sent.unit_cost,
        sent.currency_code,
        sent.status as product_status,
        sent._load_id as load_id
    from sent
    inner join around on sent.product_id = around.product_id and sent.updated_at = around.updated_at

)

{{ rows_that_differ(['product_id', 'valid_from'], [
    'valid_to',
    'is_current',
    'product_name',
    'category_id',
    'supplier_id',
    'brand_type',
    'package_size',
    'list_price',
    'unit_cost',
    'currency_code',
    'product_status',
    'load_id',
]) }}
