-- What the build does not see yet has not happened: a line that a later load let
-- in still waits here.
with rejects as (

    select * from {{ ref('stg_ledger__rejects') }}

),

loads as (

    select * from {{ ref('stg_ledger__loads') }}

)

select
    rejects.order_id,
    count(*) as waiting_line_count
from rejects
left join loads on rejects.resolved_load_id = loads.load_id
where
    rejects.order_id is not null
    and rejects.rule like 'relationships%'
    and loads.load_id is null
group by rejects.order_id
