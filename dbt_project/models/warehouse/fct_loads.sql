with loads as (

    select * from {{ ref('stg_ledger__loads') }}

),

rejects as (

    select * from {{ ref('stg_ledger__rejects') }}

),

-- An undo puts kept rows aside and may be undone: it tries none again.
trials as (

    select load_id from loads
    where door in ('release', 'replay')

),

kept as (

    select
        rejects.load_id,
        count(*) as kept_rows,
        count(trials.load_id) as kept_rows_tried_again
    from rejects
    left join trials on rejects.resolved_load_id = trials.load_id
    group by rejects.load_id

)

select
    loads.load_id,
    loads.seq,
    loads.source as source_name,
    loads.table_name,
    loads.door,
    case
        when loads.door in ('release', 'replay') then 'second try'
        when loads.door in ('cascade', 'undo') then 'taking back'
        else 'delivery'
    end as load_kind,
    loads.op = 'delete' as is_delete,
    loads.status as load_status,
    loads.started_at,
    loads.finished_at,
    {{ business_date('loads.finished_at') }} as load_date,
    loads.received,
    loads.accepted,
    loads.waiting,
    loads.rejected,
    loads.duplicates,
    coalesce(kept.kept_rows, 0) as kept_rows,
    coalesce(kept.kept_rows_tried_again, 0) as kept_rows_tried_again
from loads
left join kept on loads.load_id = kept.load_id
