{#- What every model and test of a build knows of the build: how far it sees
    (upper bound) and which day it is (as_of).

    Both are scalar subqueries on the latest build, not values written into the
    SQL. A stg_ view outlives the build that made it: with a value inside, the
    next `dbt build --select fct_orders` would read a view that still ends at
    the former bound, yet move its watermark to the new one, and lose what lies
    between for good. Threads need nothing handed on to them either. That the
    latest build is one's own while models are written is what `enter_build`
    guards. -#}

{% macro build_upper_bound() -%}
    {{ return(adapter.dispatch('build_upper_bound', 'gatehouse')()) }}
{%- endmacro %}

{#- Without any build (compile, show, docs before the first one): what is there. -#}
{% macro postgres__build_upper_bound() -%}
coalesce((select upper_bound from ledger.builds order by build_id desc limit 1), (select max(seq) from ledger.loads), 0)
{%- endmacro %}

{% macro as_of_date() -%}
    {{ return(adapter.dispatch('as_of_date', 'gatehouse')()) }}
{%- endmacro %}

{% macro postgres__as_of_date() -%}
(select as_of from ledger.builds order by build_id desc limit 1)
{%- endmacro %}

{#- Other warehouses have no ledger beside them: the day comes from outside. -#}
{% macro default__as_of_date() -%}
    {%- if execute and not var('as_of', none) -%}
        {{ exceptions.raise_compiler_error("as_of_date() needs --vars 'as_of: YYYY-MM-DD' on " ~ target.type) }}
    {%- endif -%}
cast('{{ var('as_of', none) }}' as date)
{%- endmacro %}
