{#- What a build opened now would have to do so that all is published: `dbt
    run-operation say_what_is_due` says it in one line, as JSON. `loader build
    --watch` asks before each build and selects just that.

    The rule is the one by which a build is published (standing.sql), asked of the
    build to come. So it is sound whatever it overlooks: what a build leaves out
    and should not have keeps it from being published. -#}
{% macro say_what_is_due() -%}
    {%- do log('due: ' ~ tojson(what_is_due()), info=True) -%}
{%- endmacro %}

{#- {upper_bound, published, make, test, alone, unit_tests, all}: the newest load; how far
    readers see, none before the first time; unique_ids of models and seeds to make, of
    tests to run, of those among them that read nothing of what is made (dbt brings the
    others along), and of unit tests that have not passed since the last change; how many
    models and seeds there are. -#}
{% macro what_is_due() -%}
    {%- do require_own_server() -%}
    {%- do require_ledger() -%}
    {%- set now -%}
select
    (select coalesce(max(build_id), 0) + 1 from ledger.builds) as build_id,
    (select coalesce(max(seq), 0) from ledger.loads) as upper_bound,
    cast({{ next_as_of() }} as text) as as_of,
    (select upper_bound from ledger.builds where published_at is not null order by build_id desc limit 1) as published
    {%- endset -%}
    {%- set row = run_query(now).rows[0] -%}
    {%- set past = standing_of({'build_id': row[0], 'upper_bound': row[1], 'as_of': row[2]}) -%}
    {%- set make, test, alone, each_build, all, known = [], [], [], [], [], {} -%}
    {%- for node in graph.nodes.values() if node.resource_type in ['model', 'seed'] and node.config.materialized != 'ephemeral' -%}
        {%- do all.append(node.unique_id) -%}
        {%- do make.append(node.unique_id) if is_due(node.unique_id, past, known) -%}
    {%- endfor -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'test' -%}
        {%- if reads_what_is_due(node, past, known) -%}
            {%- do test.append(node.unique_id) -%}
        {%- elif (
            (node.depends_on.nodes and not is_tested(node, past))
            or (is_stopping(node) and past.last[node.unique_id].status not in ['pass', 'warn'])
        ) -%}
            {%- do test.append(node.unique_id) -%}
            {%- do alone.append(node.unique_id) -%}
        {%- elif not node.depends_on.nodes -%}
            {%- do each_build.append(node.unique_id) -%}
        {%- endif -%}
    {%- endfor -%}
    {#- What names nothing that it reads is asked in every build, and is no reason for one. -#}
    {%- set unit_tests = unit_tests_not_passed(past, ['success', 'pass']) -%}
    {%- if make or test or unit_tests or row[1] != row[3] -%}
        {%- do test.extend(each_build) -%}
        {%- do alone.extend(each_build) -%}
    {%- endif -%}
    {{ return({
        'upper_bound': row[1], 'published': row[3], 'make': make, 'test': test, 'alone': alone,
        'unit_tests': unit_tests, 'all': all | length
    }) }}
{%- endmacro %}

{#- Whether a model or seed is to be made: it does not stand; or it is a view, and
    what it reads is made, or was made after it: dropped with that, as Postgres
    drops views. -#}
{% macro is_due(unique_id, past, known) -%}
    {%- if unique_id in known -%}
        {{ return(known[unique_id]) }}
    {%- endif -%}
    {%- set node = graph.nodes.get(unique_id) -%}
    {%- set due = namespace(is_so=false) -%}
    {%- if node and node.resource_type in ['model', 'seed', 'snapshot'] -%}
        {%- set due.is_so = standing(unique_id, past).why not in [none, 'inherited'] -%}
        {%- if not due.is_so and node.config.materialized in ['view', 'ephemeral'] -%}
            {%- set due.is_so = reads_what_is_due(node, past, known) -%}
        {%- endif -%}
        {%- if not due.is_so and node.config.materialized == 'view' -%}
            {%- for parent in node.depends_on.nodes if parent in past.last -%}
                {%- set due.is_so = due.is_so or past.last[parent].build_id > past.last[unique_id].build_id -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
    {%- do known.update({unique_id: due.is_so}) -%}
    {{ return(due.is_so) }}
{%- endmacro %}

{% macro reads_what_is_due(node, past, known) -%}
    {%- set due = namespace(is_so=false) -%}
    {%- for parent in (node.depends_on or {}).get('nodes', []) -%}
        {%- set due.is_so = due.is_so or is_due(parent, past, known) -%}
    {%- endfor -%}
    {{ return(due.is_so) }}
{%- endmacro %}

{#- `dbt run-operation read_on`: a build that makes nothing, where nothing is due
    and loads came all the same (into tables that no model reads, or with nothing
    in them that was new): what readers have is what they would have. -#}
{% macro read_on() -%}
    {%- do require_own_server() -%}
    {%- do require_ledger() -%}
    {%- do insert_build() -%}
    {%- do publish_or_say_why_not(build_of_this_invocation()) -%}
{%- endmacro %}
