-- A fact points to the version of its customer and product that held at its time:
-- of a day, at the day's end; of a payment or a return, when the order was placed.
-- One row a fact that points to another version, another record or nothing.
{% set moments = [
    ('fct_orders', 'order_id', 'ordered_at', 'customer'),
    ('fct_order_lines', 'order_id', 'ordered_at', 'customer'),
    ('fct_order_lines', 'order_id', 'ordered_at', 'product'),
    ('fct_order_fulfilment', 'order_id', 'ordered_at', 'customer'),
    ('fct_activity', 'event_id', 'occurred_at', 'customer'),
    ('fct_activity', 'event_id', 'occurred_at', 'product'),
    ('fct_email_events', 'event_id', 'occurred_at', 'customer'),
] %}
{% set days = [
    ('fct_campaign_targets', 'campaign_id', 'addressed_on', 'customer'),
    ('fct_coupon_redemptions', 'campaign_id', 'redeemed_on', 'customer'),
] %}
{% set of_orders = [
    ('fct_payments', 'payment_id', 'customer'),
    ('fct_returns', 'return_id', 'customer'),
    ('fct_returns', 'return_id', 'product'),
] %}

with orders as (

    select * from {{ ref('fct_orders') }}

),

customers as (

    select * from {{ ref('dim_customers') }}

),

products as (

    select * from {{ ref('dim_products') }}

)

{% for fact, id, moment, dimension in moments -%}
select
    '{{ fact }}' as fact,
    cast(facts.{{ id }} as {{ text_type() }}) as fact_id,
    '{{ dimension }}' as dimension,
    facts.{{ dimension }}_id as record_id
from {{ ref(fact) }} as facts
left join {{ dimension }}s on facts.{{ dimension }}_key = {{ dimension }}s.{{ dimension }}_key
where
    coalesce({{ dimension }}s.{{ dimension }}_id, -1) <> coalesce(facts.{{ dimension }}_id, -1)
    or {{ dimension }}s.{{ dimension }}_key is null
    or facts.{{ moment }} < {{ dimension }}s.valid_from
    or facts.{{ moment }} >= {{ dimension }}s.valid_to

union all

{% endfor -%}
{% for fact, id, day, dimension in days -%}
select
    '{{ fact }}' as fact,
    cast(facts.{{ id }} as {{ text_type() }}) as fact_id,
    '{{ dimension }}' as dimension,
    facts.{{ dimension }}_id as record_id
from {{ ref(fact) }} as facts
left join {{ dimension }}s on facts.{{ dimension }}_key = {{ dimension }}s.{{ dimension }}_key
where
    coalesce({{ dimension }}s.{{ dimension }}_id, -1) <> coalesce(facts.{{ dimension }}_id, -1)
    or {{ dimension }}s.{{ dimension }}_key is null
    or facts.{{ day }} < {{ business_date(dimension ~ 's.valid_from') }}
    or facts.{{ day }} >= {{ business_date(dimension ~ 's.valid_to') }}

union all

{% endfor -%}
{% for fact, id, dimension in of_orders -%}
select
    '{{ fact }}' as fact,
    cast(facts.{{ id }} as {{ text_type() }}) as fact_id,
    '{{ dimension }}' as dimension,
    facts.{{ dimension }}_id as record_id
from {{ ref(fact) }} as facts
left join orders on facts.order_id = orders.order_id
left join {{ dimension }}s on facts.{{ dimension }}_key = {{ dimension }}s.{{ dimension }}_key
where
    coalesce({{ dimension }}s.{{ dimension }}_id, -1) <> coalesce(facts.{{ dimension }}_id, -1)
    or {{ dimension }}s.{{ dimension }}_key is null
    or orders.ordered_at < {{ dimension }}s.valid_from
    or orders.ordered_at >= {{ dimension }}s.valid_to
{% if not loop.last %}
union all

{% endif -%}
{% endfor %}
