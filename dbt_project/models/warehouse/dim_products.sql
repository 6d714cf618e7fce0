{{ config(meta={'versions_from': [{'source': ['erp', 'products'], 'number': 'product_id'}]}) }}

with products as (

    select * from {{ ref('int_product_versions') }}

),

categories as (

    select * from {{ ref('int_categories_flattened') }}

),

suppliers as (

    select * from {{ ref('stg_erp__suppliers') }}

),

named as (

    select * from {{ ref('int_products_named') }}

),

-- All that the erp sent, all that facts name, and the unknown member: its number
-- is NULL, for any number may be a record's.
members as (

    select product_id from products
    union distinct
    select product_id from named
    union distinct
    select null as product_id

)

select
    coalesce(products.product_key, {{ surrogate_key(['members.product_id']) | indent(4) }}) as product_key,
    {{ surrogate_key(['members.product_id']) }} as product_durable_key,
    members.product_id,
    coalesce(products.valid_from, {{ beginning_of_time() }}) as valid_from,
    coalesce(products.valid_to, {{ end_of_time() }}) as valid_to,
    coalesce(products.is_current, true) as is_current,
    products.product_id is null as is_inferred,
    coalesce(products.product_name, 'Unknown') as product_name,
    products.category_id,
    coalesce(categories.department, 'Unknown') as department,
    coalesce(categories.category, 'Unknown') as category,
    coalesce(categories.product_type, 'Unknown') as product_type,
    products.supplier_id,
    coalesce(suppliers.supplier_name, 'Unknown') as supplier_name,
    coalesce(suppliers.country_code, 'Unknown') as supplier_country_code,
    coalesce(products.brand_type, 'Unknown') as brand_type,
    products.package_size,
    products.list_price,
    products.unit_cost,
    products.currency_code,
    coalesce(products.product_status, 'Unknown') as product_status,
    products.load_id
from members
left join products on members.product_id = products.product_id
left join categories on products.category_id = categories.category_id
left join suppliers on products.supplier_id = suppliers.supplier_id
