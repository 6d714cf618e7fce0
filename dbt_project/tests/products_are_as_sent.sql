-- The current version of every product in dim_products says what the sources say of it, its supplier and
-- its place in the category tree. One row a product that differs, is missing or
-- is surplus; members that the source has not sent are left out.
with made as (

    select * from {{ ref('dim_products') }}
    where
        is_current
        and not is_inferred

),

products as (

    select * from {{ source_as_of('erp', 'products') }}

),

categories as (

    select * from {{ source_as_of('erp', 'categories') }}

),

suppliers as (

    select * from {{ source_as_of('erp', 'suppliers') }}

),

-- Each category with itself and all that is above it, a row each.
paths as (

    select
        category_id,
        level,
        name
    from categories

    union all

    select
        child.category_id,
        parent.level,
        parent.name
    from categories as child
    inner join categories as parent on child.parent_category_id = parent.category_id

    union all

    select
        child.category_id,
        grandparent.level,
        grandparent.name
    from categories as child
    inner join categories as parent on child.parent_category_id = parent.category_id
    inner join categories as grandparent on parent.parent_category_id = grandparent.category_id

),

levels as (

    select
        category_id,
        max(case when level = 'department' then trim(name) end) as department,
        max(case when level = 'category' then trim(name) end) as category,
        max(case when level = 'type' then trim(name) end) as product_type
    from paths
    group by category_id

),

expected as (

    select
        products.product_id,
        {{ surrogate_key(['products.product_id']) }} as product_durable_key,
        trim(products.name) as product_name,
        products.category_id,
        coalesce(levels.department, 'Unknown') as department,
        coalesce(levels.category, 'Unknown') as category,
        coalesce(levels.product_type, 'Unknown') as product_type,
        products.supplier_id,
        coalesce(trim(suppliers.name), 'Unknown') as supplier_name,
        coalesce(suppliers.country_code, 'Unknown') as supplier_country_code,
        coalesce(products.brand_type, 'Unknown') as brand_type,
        nullif(trim(products.package_size), '') as package_size,
        products.list_price,
        products.unit_cost,
        products.currency_code,
        products.status as product_status,
        products._load_id as load_id
    from products
    left join levels on products.category_id = levels.category_id
    left join suppliers on products.supplier_id = suppliers.supplier_id

)

{{ rows_that_differ(['product_id'], [
    'product_durable_key',
    'product_name',
    'category_id',
    'department',
    'category',
    'product_type',
    'supplier_id',
    'supplier_name',
    'supplier_country_code',
    'brand_type',
    'package_size',
    'list_price',
    'unit_cost',
    'currency_code',
    'product_status',
    'load_id',
]) }}
