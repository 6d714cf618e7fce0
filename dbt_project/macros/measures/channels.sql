{#- Channels that a source does not name, since it is of one or two: under the
    names of seeds/channels.csv. -#}

{#- The channel of campaigns' mails. -#}
{% macro email_channel() -%}
cast('email' as {{ text_type() }})
{%- endmacro %}

{#- Whether the shop's pages or its app were used, by what the browser says it is
    (`user_agent`, an SQL expression): the app names itself (var app_user_agent). -#}
{% macro visit_channel(user_agent) -%}
cast(
    case
        when {{ user_agent }} like '{{ var('app_user_agent', 'GatehouseShop/') }}%' then 'app'
        else 'web'
    end as {{ text_type() }}
)
{%- endmacro %}
