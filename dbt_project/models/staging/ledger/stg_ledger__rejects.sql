-- Columns are named one by one, as in stg_ledger__loads.
with source as (

    select
        reject_id,
        load_id,
        resolved_load_id
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
    resolved_load_id
from source
