{#- Marts show money in one currency, the shop's own. -#}

{% macro base_currency() -%}
'{{ var('base_currency', 'USD') }}'
{%- endmacro %}

{#- An amount in the base currency, rounded to cents where it stands: sums of
    such amounts agree to the cent however they are grouped. `rate` is the worth
    of one unit of `currency_code` in the base currency; the base currency itself
    needs none, which also spares most rows the arithmetic. -#}
{% macro in_base_currency(amount, currency_code, rate) -%}
cast(
    case
        when {{ currency_code }} = {{ base_currency() }} then {{ amount }}
        else {{ amount }} * {{ rate }}
    end as numeric(18, 2)
)
{%- endmacro %}
