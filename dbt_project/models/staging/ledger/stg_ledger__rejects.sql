-- Columns are named one by one, as in stg_ledger__loads. What a row holds stays in
-- the ledger, but for the order that an order line belongs to.
with source as (

    select
        reject_id,
        load_id,
        source,
        table_name,
        rule,
        resolved_load_id,
        case
            when source = 'erp' and table_name = 'order_lines' then {{ whole_number_in('payload', 'order_id') }}
        end as order_id
    from {{ source('ledger', 'rejects') }}
    where
        load_id in (
            select loads.load_id from {{ source('ledger', 'loads') }} as loads
            where loads.seq <= {{ build_upper_bound() }}
        )

)

select
    reject_id,
    load_id,
    source,
    table_name,
    rule,
    resolved_load_id,
    order_id
from source
