with categories as (

    select * from {{ ref('stg_erp__categories') }}

),

-- The tree has three levels, so two steps up reach its root from anywhere.
steps as (

    select
        self.category_id,
        parent.category_id as parent_id,
        parent.parent_category_id as grandparent_id
    from categories as self
    left join categories as parent on self.parent_category_id = parent.category_id

)

select
    category_id,
    category_id as ancestor_id
from steps

union all

select
    category_id,
    parent_id as ancestor_id
from steps
where parent_id is not null

union all

select
    category_id,
    grandparent_id as ancestor_id
from steps
where grandparent_id is not null
