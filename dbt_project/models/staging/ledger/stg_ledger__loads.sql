-- Columns are named one by one: a view on all of them would stand in the way of
-- the ledger's own revisions. Loads that failed have no seq.
with source as (

    select
        load_id,
        seq,
        source,
        table_name,
        door,
        op,
        status,
        received,
        accepted,
        waiting,
        rejected,
        duplicates,
        started_at,
        finished_at
    from {{ source('ledger', 'loads') }}
    where
        seq <= {{ build_upper_bound() }}
        or (
            status = 'failed'
            and load_id < (
                select max(loads.load_id) from {{ source('ledger', 'loads') }} as loads
                where loads.seq <= {{ build_upper_bound() }}
            )
        )

)

select
    load_id,
    seq,
    source,
    table_name,
    door,
    op,
    status,
    received,
    accepted,
    waiting,
    rejected,
    duplicates,
    started_at,
    finished_at
from source
