with categories as (

    select * from {{ ref('stg_erp__categories') }}

),

-- The tree has three levels, so two steps up reach its root from anywhere.
paths as (

    select
        self.category_id,
        self.category_level,
        self.category_name,
        parent.category_level as parent_level,
        parent.category_name as parent_name,
        grandparent.category_level as grandparent_level,
        grandparent.category_name as grandparent_name
    from categories as self
    left join categories as parent on self.parent_category_id = parent.category_id
    left join categories as grandparent on parent.parent_category_id = grandparent.category_id

)

select
    category_id,
    category_level,
    category_name,
    case
        when category_level = 'department' then category_name
        when parent_level = 'department' then parent_name
        when grandparent_level = 'department' then grandparent_name
    end as department,
    case
        when category_level = 'category' then category_name
        when parent_level = 'category' then parent_name
        when grandparent_level = 'category' then grandparent_name
    end as category,
    case
        when category_level = 'type' then category_name
    end as product_type
from paths
