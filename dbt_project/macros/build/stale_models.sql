{#- A build of a part leaves tables behind that read less than it does. Tests
    compare what the part holds, and can pass; published, such a table would be
    called current and not be. So a mart is published only if it is current:
    every table that it is made from, and then it, was made by a build that read
    as far as this one. (Views look the bound up and are always current.)

    'As far' is the same upper bound: bounds are numbers of loads, so builds with
    equal ones saw the same staging, and a build of a part with no load since the
    whole one publishes. -#}

{#- Why marts are not current, as a sentence; none if they are. -#}
{% macro why_marts_are_stale(build_id, marts) -%}
    {%- set upper_bound = run_query("select upper_bound from ledger.builds where build_id = " ~ build_id).rows[0][0] -%}
    {%- set made, known = {}, {} -%}
    {%- for row in run_query(models_made_up_to(upper_bound)).rows -%}
        {%- do made.setdefault(row[0], []).append(row[1]) -%}
    {%- endfor -%}
    {%- for mart in marts -%}
        {%- do current_since(mart.unique_id, made, known) -%}
    {%- endfor -%}

    {%- set behind, too_early = [], [] -%}
    {%- for unique_id, since in known.items() if since is none and graph.nodes[unique_id].config.materialized != 'view' -%}
        {%- do (too_early if unique_id in made else behind).append(unique_id) -%}
    {%- endfor -%}
    {%- if behind -%}
        {%- set oldest = run_query(oldest_bound_of(behind)).rows[0][0] -%}
        {{ return(
            "these read up to load " ~ oldest ~ " and this build up to " ~ upper_bound ~ ": "
            ~ named_few(behind | sort) ~ "; run dbt build"
        ) }}
    {%- elif too_early -%}
        {{ return("these were made before what they are made from: " ~ named_few(too_early | sort) ~ "; run dbt build") }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro %}

{#- SQL: each model and the builds with that bound that made it, in their order. -#}
{% macro models_made_up_to(upper_bound) -%}
select results.unique_id, builds.build_id
from ledger.build_results as results
inner join ledger.builds as builds on builds.build_id = results.build_id
where results.resource_type = 'model' and results.status = 'success' and builds.upper_bound = {{ upper_bound }}
order by builds.build_id
{%- endmacro %}

{#- SQL of how far that of the models read which read least, 0 if no build made it. -#}
{% macro oldest_bound_of(unique_ids) -%}
    {%- set names = [] -%}
    {%- for unique_id in unique_ids -%}{%- do names.append('(' ~ sql_literal(unique_id) ~ ')') -%}{%- endfor -%}
select min(coalesce((
    select max(builds.upper_bound)
    from ledger.build_results as results
    inner join ledger.builds as builds on builds.build_id = results.build_id
    where results.unique_id = models.unique_id and results.status = 'success'
), 0))
from (values {{ names | join(', ') }}) as models (unique_id)
{%- endmacro %}

{#- The first build since which a node is current, 0 for what always is, none for
    what is not. `made` has the builds with this build's bound that made a model,
    in their order; `known` keeps what was found, of models only. -#}
{% macro current_since(unique_id, made, known) -%}
    {%- set node = graph.nodes.get(unique_id) -%}
    {%- if node is none or node.resource_type != 'model' -%}
        {{ return(0) }}
    {%- elif unique_id in known -%}
        {{ return(known[unique_id]) }}
    {%- endif -%}
    {%- set parents = [0] -%}
    {%- for parent in node.depends_on.nodes -%}
        {%- do parents.append(current_since(parent, made, known)) -%}
    {%- endfor -%}
    {%- set since = none if none in parents else parents | max -%}
    {%- if since is not none and node.config.materialized not in ['view', 'ephemeral'] -%}
        {%- set since = made.get(unique_id, []) | select('ge', since) | first | default(none) -%}
    {%- endif -%}
    {%- do known.update({unique_id: since}) -%}
    {{ return(since) }}
{%- endmacro %}
