with source as (

    select * from {{ source_as_of('planning', 'budgets') }}

)

select
    month as budget_month,
    department,
    cost_type,
    amount as budget_amount,
    currency_code,
    nullif(trim(note), '') as note,
    _load_id as load_id,
    _loaded_at as loaded_at
from source
