{#- Marts show money in one currency, the shop's own. -#}

{% macro base_currency() -%}
'{{ var('base_currency', 'USD') }}'
{%- endmacro %}

{#- An amount in the base currency, rounded to cents where it stands: sums of
    such amounts agree to the cent however they are grouped. `rate` is the worth
    of one unit in the base currency. -#}
{% macro in_base_currency(amount, rate) -%}
cast({{ amount }} * {{ rate }} as numeric(18, 2))
{%- endmacro %}
