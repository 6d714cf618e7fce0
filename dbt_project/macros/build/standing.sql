{#- Which tables stand: would come out the same if they were made again by a
    build with this upper bound. A build of a part leaves the others as earlier
    builds made them; they may be published with it, and tests that they passed
    count, as long as they stand. So may they be left out of a build.

    Everything is told by numbers of builds. Builds are numbered in the order in
    which they were opened, and bounds only grow. What a node is made from has
    been as it is now *since* some build:

    - a source, since the first build that read the last load into it;
    - a table, since the build that made it last: what is made of it has to be
      made after it. It stands if its rules are the present ones, and if it was
      made since all that it is made from was as it is now;
    - a view looks everything up: it is as it is now since the first of the
      builds that made it by its present rules, or since what it reads is;
    - what asks for the build's day, since the first of the builds, one after
      the other, that have this day.

    What a model was made by is written in the transaction of its rows
    (leave_build), so a build that was killed is known as far as it came. -#}

{#- What is known of the past as seen from a build: ids, bounds and day of the
    build, {unique_id: last result}, {source: since}. `build` is {build_id,
    upper_bound, as_of}: as_of as text. -#}
{% macro standing_of(build) -%}
    {%- set last = {} -%}
    {%- for row in run_query(last_results()).rows -%}
        {%- do last.update({row[0]: {
            'build_id': row[1], 'status': row[2], 'rules': row[3], 'upper_bound': row[4], 'same_since': row[5]
        }}) -%}
    {%- endfor -%}
    {%- set loaded = {} -%}
    {%- for row in run_query(first_builds_after_loads(build)).rows -%}
        {%- do loaded.update({row[0] ~ '.' ~ row[1]: row[2] or build.build_id}) -%}
    {%- endfor -%}
    {%- set days = run_query(
        "select max(build_id) from ledger.builds where build_id < " ~ build.build_id
        ~ " and as_of is distinct from " ~ ("cast(" ~ sql_literal(build.as_of) ~ " as date)" if build.as_of else "null")
    ).rows -%}
    {%- set same_bound = run_query(
        "select min(build_id) from ledger.builds where upper_bound = " ~ build.upper_bound
    ).rows -%}

    {#- A load into a table that no source names may be of one that was renamed. -#}
    {%- set sources, named = {}, [] -%}
    {%- for source in graph.sources.values() -%}
        {%- do named.append(source.source_name ~ '.' ~ source.name) -%}
    {%- endfor -%}
    {%- set unnamed = [0] -%}
    {%- for name, since in loaded.items() if name not in named -%}
        {%- do unnamed.append(since) -%}
    {%- endfor -%}
    {%- for unique_id, source in graph.sources.items() -%}
        {%- if source.loader == 'gatehouse' -%}
            {%- do sources.update({unique_id: [loaded.get(source.source_name ~ '.' ~ source.name, 0), unnamed | max] | max}) -%}
        {%- else -%}
            {#- Nobody says when it changed: as of each load anew. -#}
            {%- do sources.update({unique_id: same_bound[0][0] or build.build_id}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return({
        'build': build, 'last': last, 'sources': sources, 'day': (days[0][0] or 0) + 1, 'models': {}, 'tested': {}
    }) }}
{%- endmacro %}

{#- SQL: of each node of the project its last result: build, status, rules, that
    build's upper bound; of a view, the first of the builds since which all made
    it by those rules. -#}
{% macro last_results() -%}
    {%- set nodes = [] -%}
    {%- for node in graph.nodes.values() -%}
        {%- do nodes.append("(" ~ sql_literal(node.unique_id) ~ ", " ~ (node.config.materialized == 'view') ~ ")") -%}
    {%- endfor -%}
select
    nodes.unique_id,
    latest.build_id,
    latest.status,
    latest.fingerprint,
    latest.upper_bound,
    case when nodes.is_view then (
        select min(results.build_id)
        from ledger.build_results as results
        where results.unique_id = nodes.unique_id
            and results.build_id > coalesce((
                select max(other.build_id)
                from ledger.build_results as other
                where other.unique_id = nodes.unique_id
                    and (other.fingerprint is distinct from latest.fingerprint or other.status not in ('success', 'made'))
            ), 0)
    ) end as same_since
from (values {{ nodes | join(', ') if nodes else "('', false)" }}) as nodes (unique_id, is_view)
cross join lateral (
    select results.build_id, results.status, results.fingerprint, builds.upper_bound
    from ledger.build_results as results
    inner join ledger.builds as builds on builds.build_id = results.build_id
    where results.unique_id = nodes.unique_id
    order by results.build_id desc
    limit 1
) as latest
{%- endmacro %}

{#- SQL: of each table that was ever loaded, the first build that read its last
    load up to the bound; none if that build is still to come. The tables are
    stepped through in the index: there may be millions of loads. -#}
{% macro first_builds_after_loads(build) -%}
with recursive loaded as (
    (select source, table_name from ledger.loads where seq is not null order by source, table_name limit 1)
    union all
    select following.source, following.table_name
    from loaded
    cross join lateral (
        select loads.source, loads.table_name
        from ledger.loads as loads
        where loads.seq is not null and (loads.source, loads.table_name) > (loaded.source, loaded.table_name)
        order by loads.source, loads.table_name
        limit 1
    ) as following
)

select
    loaded.source,
    loaded.table_name,
    (
        select builds.build_id
        from ledger.builds as builds
        where builds.upper_bound >= newest.seq
        order by builds.upper_bound, builds.build_id
        limit 1
    )
from loaded
cross join lateral (
    select max(loads.seq) as seq
    from ledger.loads as loads
    where loads.source = loaded.source
        and loads.table_name = loaded.table_name
        and loads.seq <= {{ build.upper_bound }}
) as newest
where newest.seq is not null
{%- endmacro %}

{#- How a node stands: {since, loads, day, why}. `since`: the build since which
    it is as it is now, 0 for ever, none if it does not stand, and then `why`:
    never, failed, rules, behind, day or early; `inherited` of a view that only
    reads what does not stand. `loads` and `day`: since when, by the loads into all that it
    is made from, and by the build's day where any of these asks for it. -#}
{% macro standing(unique_id, past) -%}
    {%- if unique_id in past.sources -%}
        {{ return({'since': past.sources[unique_id], 'loads': past.sources[unique_id], 'day': 0, 'why': none}) }}
    {%- endif -%}
    {%- set node = graph.nodes.get(unique_id) -%}
    {%- if node is none or node.resource_type not in ['model', 'seed', 'snapshot'] -%}
        {{ return({'since': 0, 'loads': 0, 'day': 0, 'why': none}) }}
    {%- elif unique_id in past.models -%}
        {{ return(past.models[unique_id]) }}
    {%- endif -%}

    {%- set own_day = past.day if uses_as_of(node) else 0 -%}
    {%- set needed, loads, day = [own_day], [0], [own_day] -%}
    {%- for parent in (node.depends_on or {}).get('nodes', []) -%}
        {%- set found = standing(parent, past) -%}
        {%- do needed.append(found.since) -%}
        {%- do loads.append(found.loads) -%}
        {%- do day.append(found.day) -%}
    {%- endfor -%}
    {%- set stands = {'since': none if none in needed else needed | max, 'loads': loads | max, 'day': day | max, 'why': none} -%}

    {%- set last = past.last.get(unique_id) -%}
    {%- if node.config.materialized != 'ephemeral' -%}
        {%- if last is none -%}
            {%- do stands.update({'since': none, 'why': 'never'}) -%}
        {%- elif last.status not in ['success', 'made'] -%}
            {%- do stands.update({'since': none, 'why': 'failed'}) -%}
        {%- elif last.rules != rules_of(unique_id) -%}
            {%- do stands.update({'since': none, 'why': 'rules'}) -%}
        {%- elif node.config.materialized == 'view' -%}
            {%- if stands.since is none -%}
                {%- do stands.update({'why': 'inherited'}) -%}
            {%- else -%}
                {%- do stands.update({'since': [stands.since, last.same_since] | max}) -%}
            {%- endif -%}
        {%- elif stands.since is not none and last.build_id >= stands.since -%}
            {%- do stands.update({'since': last.build_id}) -%}
        {%- elif last.build_id < stands.loads -%}
            {%- do stands.update({'since': none, 'why': 'behind'}) -%}
        {%- elif last.build_id < stands.day -%}
            {%- do stands.update({'since': none, 'why': 'day'}) -%}
        {%- else -%}
            {%- do stands.update({'since': none, 'why': 'early'}) -%}
        {%- endif -%}
    {%- endif -%}
    {%- do past.models.update({unique_id: stands}) -%}
    {{ return(stands) }}
{%- endmacro %}

{#- The build since which a test has before it what it would have now: what it
    has passed in that one or later counts. The tables that it reads need not
    stand: it is of what they hold. -#}
{% macro tested_since(unique_id, past) -%}
    {%- if unique_id in past.sources -%}
        {{ return(past.sources[unique_id]) }}
    {%- elif unique_id in past.tested -%}
        {{ return(past.tested[unique_id]) }}
    {%- endif -%}
    {%- set node = graph.nodes.get(unique_id) -%}
    {%- if node is none -%}
        {{ return(0) }}
    {%- endif -%}
    {%- set last = past.last.get(unique_id) or {} -%}
    {%- if node.resource_type in ['model', 'seed', 'snapshot'] and node.config.materialized not in ['view', 'ephemeral'] -%}
        {{ return(last.get('build_id') or 0) }}
    {%- endif -%}
    {%- set found = [last.get('same_since') or 0, past.day if uses_as_of(node) else 0] -%}
    {%- for parent in (node.depends_on or {}).get('nodes', []) -%}
        {%- do found.append(tested_since(parent, past)) -%}
    {%- endfor -%}
    {%- do past.tested.update({unique_id: found | max}) -%}
    {{ return(found | max) }}
{%- endmacro %}

{#- Whether what a test found last is of what is there now. One that names
    nothing that it reads is asked in every build. -#}
{% macro is_tested(node, past) -%}
    {%- set last = past.last.get(node.unique_id) -%}
    {%- if last is none or last.rules != rules_of(node.unique_id) -%}
        {{ return(false) }}
    {%- elif not (node.depends_on or {}).get('nodes') -%}
        {{ return(last.build_id == past.build.build_id) }}
    {%- endif -%}
    {{ return(last.build_id >= tested_since(node.unique_id, past)) }}
{%- endmacro %}
