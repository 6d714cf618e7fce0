-- The versions of a customer or product follow each other without gap or overlap,
-- from the beginning of time to its end, and the last one is the current one. One
-- row a version that does not join the one before it, or the end.
{% set dimensions = [('dim_customers', 'customer'), ('dim_products', 'product')] %}

with versions as (

    {% for dimension, name in dimensions -%}
    select
        '{{ dimension }}' as dimension,
        {{ name }}_durable_key as durable_key,
        {{ name }}_key as version_key,
        valid_from,
        valid_to,
        is_current,
        lag(valid_to) over (partition by {{ name }}_durable_key order by valid_from asc) as previous_valid_to,
        lead(valid_from) over (partition by {{ name }}_durable_key order by valid_from asc) as next_valid_from
    from {{ ref(dimension) }}
    {% if not loop.last %}
    union all

    {% endif -%}
    {%- endfor %}
)

select
    dimension,
    durable_key,
    version_key,
    valid_from,
    valid_to,
    is_current
from versions
where
    valid_from <> coalesce(previous_valid_to, {{ beginning_of_time() }})
    or (previous_valid_to is null and version_key <> durable_key)
    or (next_valid_from is null and valid_to <> {{ end_of_time() }})
    or is_current <> (next_valid_from is null)
