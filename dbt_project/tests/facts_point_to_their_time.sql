-- A fact points to the version of its customer and product that held at its time:
-- of a day, at the day's end; of a payment or a return, when the order was placed.
-- One row a fact that points to another version, another record or nothing.
{% set facts = [
    ('fct_orders', 'order_id', 'customer', 'facts.ordered_at', 'moment'),
    ('fct_order_lines', 'order_id', 'customer', 'facts.ordered_at', 'moment'),
    ('fct_order_lines', 'order_id', 'product', 'facts.ordered_at', 'moment'),
    ('fct_order_fulfilment', 'order_id', 'customer', 'facts.ordered_at', 'moment'),
    ('fct_activity', 'event_id', 'customer', 'facts.occurred_at', 'moment'),
    ('fct_activity', 'event_id', 'product', 'facts.occurred_at', 'moment'),
    ('fct_email_events', 'event_id', 'customer', 'facts.occurred_at', 'moment'),
    ('fct_campaign_targets', 'campaign_id', 'customer', 'facts.addressed_on', 'day'),
    ('fct_coupon_redemptions', 'campaign_id', 'customer', 'facts.redeemed_on', 'day'),
    ('fct_payments', 'payment_id', 'customer', 'orders.ordered_at', 'moment'),
    ('fct_returns', 'return_id', 'customer', 'orders.ordered_at', 'moment'),
    ('fct_returns', 'return_id', 'product', 'orders.ordered_at', 'moment'),
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

{% for fact, id, dimension, held_at, kind in facts -%}
{%- set valid_from, valid_to = dimension ~ 's.valid_from', dimension ~ 's.valid_to' -%}
select
    '{{ fact }}' as fact,
    cast(facts.{{ id }} as {{ text_type() }}) as fact_id,
    '{{ dimension }}' as dimension,
    facts.{{ dimension }}_id as record_id
from {{ ref(fact) }} as facts
left join {{ dimension }}s on facts.{{ dimension }}_key = {{ dimension }}s.{{ dimension }}_key
{% if held_at.startswith('orders.') -%}
left join orders on facts.order_id = orders.order_id
{% endif -%}
where
    {{ dimension }}s.{{ dimension }}_id is distinct from facts.{{ dimension }}_id
    or {{ dimension }}s.{{ dimension }}_key is null
    or {{ held_at }} < {{ business_date(valid_from) if kind == 'day' else valid_from }}
    or {{ held_at }} >= {{ business_date(valid_to) if kind == 'day' else valid_to }}
{% if not loop.last %}
union all

{% endif -%}
{% endfor %}
