-- Nothing is lost between the ledger and data_quality_daily: each load up to the
-- build's bound is counted once, rows that a delivery brought are all accounted for,
-- and rows still kept are those that nothing has tried again. One row a table that
-- differs, is missing or is surplus.
with made as (

    select
        source_name,
        table_name,
        sum(load_count + second_try_count + taking_back_count) as load_count,
        sum(failed_load_count) as failed_load_count,
        sum(received) as received,
        sum(accepted + waiting + rejected + duplicates) as accounted_for,
        sum(rows_tried_again) as rows_tried_again,
        sum(rows_still_kept) as rows_still_kept
    from {{ ref('data_quality_daily') }}
    group by
        source_name,
        table_name

),

loads as (

    select * from {{ source('ledger', 'loads') }}

),

rejects as (

    select * from {{ source('ledger', 'rejects') }}

),

newest as (

    select max(load_id) as load_id from loads
    where seq <= {{ build_upper_bound() }}

),

seen as (

    select loads.*
    from loads
    cross join newest
    where
        loads.seq <= {{ build_upper_bound() }}
        or (loads.seq is null and loads.status = 'failed' and loads.load_id < newest.load_id)

),

still_kept as (

    select
        holding.source as source_name,
        holding.table_name,
        count(*) as rows_still_kept
    from rejects
    inner join seen as holding on rejects.load_id = holding.load_id
    left join seen as trying
        on
            rejects.resolved_load_id = trying.load_id
            and trying.door in ('release', 'replay')
    where trying.load_id is null
    group by
        holding.source,
        holding.table_name

),

totals as (

    select
        source as source_name,
        table_name,
        count(*) as load_count,
        sum(
            case when status = 'failed' and door not in ('release', 'replay', 'cascade', 'undo') then 1 else 0 end
        ) as failed_load_count,
        sum(case when door in ('release', 'replay', 'cascade', 'undo') then 0 else received end) as received,
        sum(case when door in ('release', 'replay') then received else 0 end) as rows_tried_again
    from seen
    group by
        source,
        table_name

),

-- Tables that no load has named yet stand in the mart with nothing in them.
expected as (

    select
        made.source_name,
        made.table_name,
        coalesce(totals.load_count, 0) as load_count,
        coalesce(totals.failed_load_count, 0) as failed_load_count,
        coalesce(totals.received, 0) as received,
        coalesce(totals.received, 0) as accounted_for,
        coalesce(totals.rows_tried_again, 0) as rows_tried_again,
        coalesce(still_kept.rows_still_kept, 0) as rows_still_kept
    from made
    left join totals
        on
            made.source_name = totals.source_name
            and made.table_name = totals.table_name
    left join still_kept
        on
            made.source_name = still_kept.source_name
            and made.table_name = still_kept.table_name

    union all

    select
        totals.source_name,
        totals.table_name,
        totals.load_count,
        totals.failed_load_count,
        totals.received,
        totals.received as accounted_for,
        totals.rows_tried_again,
        0 as rows_still_kept
    from totals
    left join made
        on
            totals.source_name = made.source_name
            and totals.table_name = made.table_name
    where made.table_name is null

)

{{ rows_that_differ(['source_name', 'table_name'], [
    'load_count',
    'failed_load_count',
    'received',
    'accounted_for',
    'rows_tried_again',
    'rows_still_kept',
]) }}
