with products as (

    select * from {{ ref('stg_erp__products__versions') }}

),

ordered as (

    select
        product_id,
        product_name,
        category_id,
        supplier_id,
        brand_type,
        package_size,
        list_price,
        unit_cost,
        currency_code,
        product_status,
        load_id,
        updated_at,
        lead(updated_at) over (partition by product_id order by updated_at asc nulls last) as replaced_at,
        row_number() over (partition by product_id order by updated_at asc nulls last) as version_number
    from products

)

-- The first version holds from the beginning of time, so that every fact finds its own.
select
    {{ version_key(['product_id'], 'updated_at', 'version_number = 1') }} as product_key,
    product_id,
    case when version_number = 1 then {{ beginning_of_time() }} else updated_at end as valid_from,
    coalesce(replaced_at, {{ end_of_time() }}) as valid_to,
    replaced_at is null as is_current,
    product_name,
    category_id,
    supplier_id,
    brand_type,
    package_size,
    list_price,
    unit_cost,
    currency_code,
    product_status,
    load_id
from ordered
