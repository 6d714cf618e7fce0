with loads as (

    select * from {{ ref('fct_loads') }}

),

promised_tables as (

    select * from {{ ref('int_tables_promised') }}

),

digits as (

    {% for n in range(10) -%}
    select {{ n }} as n{{ ' union all' if not loop.last }}
    {% endfor %}
),

-- 10,000 days: 27 years of loads.
numbers as (

    {{ whole_numbers(4) | indent(4) }}

),

bounds as (

    select
        min(load_date) as first_date,
        max(load_date) as last_date,
        max(finished_at) as last_moment
    from loads

),

days as (

    select
        {{ add_days('numbers.n', 'bounds.first_date') }} as load_date,
        {{ start_of_business_day(add_days('numbers.n + 1', 'bounds.first_date')) }} as ended_at,
        bounds.last_moment
    from numbers
    cross join bounds
    where numbers.n <= {{ days_between('bounds.first_date', 'bounds.last_date') }}

),

-- Tables that the contract has not any more keep their past.
tables as (

    select
        source_name,
        table_name
    from promised_tables
    union distinct
    select
        source_name,
        table_name
    from loads

),

load_totals as (

    select
        load_date,
        source_name,
        table_name,
        {% set delivered = "load_kind = 'delivery'" -%}
        {% set tried_again = "load_kind = 'second try'" -%}
        {% set taken_back = "load_kind = 'taking back'" -%}
        sum(case when {{ delivered }} then 1 else 0 end) as load_count,
        sum(case when {{ delivered }} and load_status = 'failed' then 1 else 0 end) as failed_load_count,
        sum(case when {{ delivered }} and load_status = 'refused' then 1 else 0 end) as refused_load_count,
        {% for outcome in ['received', 'accepted', 'waiting', 'rejected', 'duplicates'] -%}
        sum(case when {{ delivered }} then {{ outcome }} else 0 end) as {{ outcome }},
        {% endfor -%}
        sum(case when {{ tried_again }} then 1 else 0 end) as second_try_count,
        sum(case when {{ tried_again }} then received else 0 end) as rows_tried_again,
        sum(case when {{ tried_again }} then accepted else 0 end) as rows_let_in_later,
        sum(case when {{ taken_back }} then 1 else 0 end) as taking_back_count,
        sum(kept_rows - kept_rows_tried_again) as rows_still_kept,
        max(case when {{ delivered }} and accepted + duplicates + waiting > 0 then finished_at end) as delivered_at
    from loads
    group by
        load_date,
        source_name,
        table_name

),

-- A table's age is that at the day's end, or at the newest load while the day is not over.
table_days as (

    select
        days.load_date,
        case
            when days.ended_at < days.last_moment then days.ended_at
            else days.last_moment
        end as asked_at,
        tables.source_name,
        tables.table_name,
        max(load_totals.delivered_at) over (
            partition by tables.source_name, tables.table_name
            order by days.load_date asc nulls last
            rows between unbounded preceding and current row
        ) as last_delivered_at
    from tables
    cross join days
    left join load_totals
        on
            days.load_date = load_totals.load_date
            and tables.source_name = load_totals.source_name
            and tables.table_name = load_totals.table_name

),

ages as (

    select
        table_days.load_date,
        table_days.source_name,
        table_days.table_name,
        {{ hours_between('table_days.last_delivered_at', 'table_days.asked_at') }} as hours_since_delivery,
        promised_tables.late_after_hours,
        promised_tables.overdue_after_hours
    from table_days
    left join promised_tables
        on
            table_days.source_name = promised_tables.source_name
            and table_days.table_name = promised_tables.table_name

)

select
    ages.load_date,
    ages.source_name,
    ages.table_name,
    {% for measure in [
        'load_count', 'failed_load_count', 'refused_load_count',
        'received', 'accepted', 'waiting', 'rejected', 'duplicates',
    ] -%}
    cast(coalesce(load_totals.{{ measure }}, 0) as bigint) as {{ measure }},
    {% endfor -%}
    {{ reject_rate('load_totals.rejected', 'load_totals.received') }} as reject_rate,
    {% for measure in [
        'second_try_count', 'rows_tried_again', 'rows_let_in_later', 'taking_back_count', 'rows_still_kept',
    ] -%}
    cast(coalesce(load_totals.{{ measure }}, 0) as bigint) as {{ measure }},
    {% endfor -%}
    ages.hours_since_delivery,
    ages.late_after_hours,
    ages.overdue_after_hours,
    case
        when coalesce(ages.late_after_hours, ages.overdue_after_hours) is null then 'no promise'
        when ages.hours_since_delivery is null then 'never'
        when ages.hours_since_delivery > ages.overdue_after_hours then 'overdue'
        when ages.hours_since_delivery > ages.late_after_hours then 'late'
        else 'on time'
    end as freshness_state
from ages
left join load_totals
    on
        ages.load_date = load_totals.load_date
        and ages.source_name = load_totals.source_name
        and ages.table_name = load_totals.table_name
