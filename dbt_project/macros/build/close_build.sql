{#- on-run-end: writes down what came out, and publishes the marts if this state
    has earned it. `results` is dbt's list of what ran. -#}
{% macro close_build(results) -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'seed', 'snapshot', 'test') -%}
        {%- set build_id = build_of_this_invocation() -%}
        {%- if build_id is not none -%}
            {%- do record_results(build_id, results) -%}
            {%- do publish_or_say_why_not(build_id) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro build_of_this_invocation() -%}
    {%- set rows = run_query("select build_id from ledger.builds where invocation_id = " ~ sql_literal(invocation_id) ~ " order by build_id desc limit 1").rows -%}
    {%- if not rows -%}
        {%- do log("Not recorded: another `dbt test` took this build over meanwhile.", info=True) -%}
        {{ return(none) }}
    {%- endif -%}
    {{ return(rows[0][0]) }}
{%- endmacro %}

{#- One entry a node and build: the latest result counts. Kept are those of the
    last thousand builds, and of each node the last: a build may come with every
    load. -#}
{% macro record_results(build_id, results) -%}
    {%- set entries = [] -%}
    {%- for result in results -%}
        {%- set severity = result.node.config.severity if result.node.resource_type == 'test' else none -%}
        {%- do entries.append("(" ~ [
            build_id,
            sql_literal(result.node.unique_id),
            sql_literal(result.node.resource_type | string),
            sql_literal(severity | lower) if severity else 'null',
            sql_literal(result.status | string),
            result.execution_time,
            result.failures if result.failures is not none else 'null',
            sql_literal(result.message) if result.message else 'null',
            sql_literal(rules_of(result.node.unique_id)) if result.node.unique_id in graph.nodes else 'null',
        ] | join(', ') ~ ")") -%}
    {%- endfor -%}
    {%- if entries -%}
        {%- set insert -%}
insert into ledger.build_results (build_id, unique_id, resource_type, severity, status, seconds, failures, message, fingerprint)
values
    {{ entries | join(',\n    ') }}
on conflict (build_id, unique_id) do update
set severity = excluded.severity,
    status = excluded.status,
    seconds = excluded.seconds,
    failures = excluded.failures,
    message = excluded.message,
    fingerprint = excluded.fingerprint,
    finished_at = now()
        {%- endset -%}
        {%- do run_query(insert) -%}
    {%- endif -%}
    {%- set forget -%}
delete from ledger.build_results as old
where
    old.build_id < {{ build_id - 1000 }}
    and exists (
        select 1
        from ledger.build_results as newer
        where newer.unique_id = old.unique_id and newer.build_id > old.build_id
    )
    {%- endset -%}
    {%- do run_query(forget) -%}
    {%- do run_query("commit") -%}
{%- endmacro %}

{% macro publish_or_say_why_not(build_id) -%}
    {%- set marts = mart_models() -%}
    {%- set past = standing_of(build_with(build_id)) -%}
    {%- set faults = faults_of_build(past, marts) -%}
    {%- set stale = why_marts_are_stale(past, marts) if not faults -%}
    {%- set untested = stopping_tests_not_run(past) -%}
    {%- if faults -%}
        {%- do end_build(build_id, 'failed', "not published: " ~ faults | join('; ')) -%}
    {%- elif stale -%}
        {%- do end_build(build_id, 'built', "not published: " ~ stale) -%}
    {%- elif untested -%}
        {%- do end_build(build_id, 'built', "not published: " ~ untested | length ~ " stopping tests have not run on this state; run dbt test") -%}
    {%- elif not marts -%}
        {%- do end_build(build_id, 'built', "nothing to publish: the project has no marts") -%}
    {%- else -%}
        {%- do publish_marts(past, marts) -%}
    {%- endif -%}
{%- endmacro %}

{% macro build_with(build_id) -%}
    {%- set row = run_query("select upper_bound, cast(as_of as text) from ledger.builds where build_id = " ~ build_id).rows[0] -%}
    {{ return({'build_id': build_id, 'upper_bound': row[0], 'as_of': row[1]}) }}
{%- endmacro %}

{#- A build that is published stays so, whatever a later `dbt test` finds. -#}
{% macro end_build(build_id, status, message) -%}
    {%- do write_end_of_build(build_id, status, message) -%}
    {%- do log("Build " ~ build_id ~ ": " ~ message ~ ".", info=True) -%}
{%- endmacro %}

{% macro write_end_of_build(build_id, status, message) -%}
    {%- set update -%}
update ledger.builds
set finished_at = now(),
    status = case when published_at is null then {{ sql_literal(status) }} else status end,
    message = case when published_at is null then '' else 'published; tested again since: ' end || {{ sql_literal(message) }}
where build_id = {{ build_id }} and status <> 'superseded'
    {%- endset -%}
    {%- do run_query(update) -%}
    {%- do run_query("commit") -%}
{%- endmacro %}

{#- What forbids to publish whatever else is run on this state: sentences. -#}
{% macro faults_of_build(past, marts) -%}
    {%- set build_id, faults = past.build.build_id, [] -%}
    {%- set newest = run_query("select max(build_id) from ledger.builds").rows[0][0] -%}
    {%- if newest != build_id -%}
        {%- do faults.append("build " ~ newest ~ " was opened meanwhile") -%}
    {%- endif -%}

    {%- set bad -%}
select unique_id, resource_type, status
from ledger.build_results
where build_id = {{ build_id }}
    and status not in ('success', 'made', 'pass', 'warn', 'no-op')
order by status = 'skipped', unique_id
    {%- endset -%}
    {%- set failed, skipped = [], [] -%}
    {%- for row in run_query(bad).rows if row[0] in graph.nodes or row[1] == 'unit_test' -%}
        {%- if row[2] == 'skipped' -%}
            {%- do skipped.append(row[0]) -%}
        {%- else -%}
            {%- do failed.append(row[0] ~ " (" ~ row[2] ~ ")") -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if failed -%}
        {%- do faults.append(named_few(failed) ~ " failed") -%}
    {%- endif -%}
    {%- if skipped -%}
        {%- do faults.append(skipped | length ~ " nodes were skipped") -%}
    {%- endif -%}

    {#- Of what this build left alone the last attempt counts: a model's table is of
        the attempt before it, and a test says what it found. -#}
    {%- set not_rebuilt, not_passed = [], [] -%}
    {%- for unique_id, last in past.last.items() if last.build_id != build_id -%}
        {%- set node = graph.nodes[unique_id] -%}
        {%- if node.resource_type == 'model' and last.status not in ['success', 'made', 'no-op'] -%}
            {%- do not_rebuilt.append(unique_id) -%}
        {%- elif is_stopping(node) and last.status not in ['pass', 'warn', 'skipped'] -%}
            {%- do not_passed.append(unique_id) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do not_passed.extend(unit_tests_not_passed(past, ['success', 'pass', 'skipped'])) -%}
    {%- if not_rebuilt -%}
        {%- do faults.append(named_few(not_rebuilt) ~ " failed or was skipped in an earlier build and has not been rebuilt") -%}
    {%- endif -%}
    {%- if not_passed -%}
        {%- do faults.append(named_few(not_passed) ~ " failed in an earlier build and has not been run again") -%}
    {%- endif -%}

    {%- set not_there = [] -%}
    {%- for mart in marts -%}
        {%- if run_query("select to_regclass(" ~ sql_literal(adapter.quote(mart.schema) ~ '.' ~ adapter.quote(mart.alias)) ~ ")").rows[0][0] is none -%}
            {%- do not_there.append(mart.unique_id) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not_there -%}
        {%- do faults.append(named_few(not_there) ~ " has never been built; run dbt build") -%}
    {%- endif -%}
    {{ return(faults) }}
{%- endmacro %}

{% macro is_stopping(node) -%}
    {{ return(node.resource_type == 'test' and node.config.severity | lower == 'error') }}
{%- endmacro %}

{#- unique_ids of tests of severity error that no run has passed on this state, in
    this build or in an earlier one since which nothing that they read has changed.
    Unit tests are not in dbt's graph: those that ran count, by their faults. -#}
{% macro stopping_tests_not_run(past) -%}
    {%- set missing = [] -%}
    {%- for node in graph.nodes.values() if is_stopping(node) -%}
        {%- if not is_tested(node, past) or past.last[node.unique_id].status not in ['pass', 'warn'] -%}
            {%- do missing.append(node.unique_id) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(missing) }}
{%- endmacro %}

{#- unique_ids of unit tests that came to something else than what is let pass when they
    last ran, in an earlier build. Whether one is still there dbt's graph does not say:
    those count whose model was not made since. -#}
{% macro unit_tests_not_passed(past, let_pass) -%}
    {%- set not_passed = [] -%}
    {%- for row in run_query(last_results_of_unit_tests(past.build.build_id)).rows if row[2] not in let_pass -%}
        {%- set model = past.last.get('model.' ~ row[0].split('.')[1] ~ '.' ~ row[0].split('.')[2]) -%}
        {%- if model and model.build_id <= row[1] -%}
            {%- do not_passed.append(row[0]) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(not_passed) }}
{%- endmacro %}

{% macro last_results_of_unit_tests(build_id) -%}
select
    latest.unique_id,
    latest.build_id,
    latest.status
from (
    select distinct on (unique_id) unique_id, build_id, status
    from ledger.build_results
    where resource_type = 'unit_test'
    order by unique_id, build_id desc
) as latest
where latest.build_id <> {{ build_id }}
order by latest.unique_id
{%- endmacro %}

{% macro named_few(unique_ids) -%}
    {%- set names = [] -%}
    {%- for unique_id in unique_ids[:5] -%}
        {#- model.gatehouse.fct_orders -> fct_orders; tests keep no hash. -#}
        {%- do names.append(unique_id.split('.')[2]) -%}
    {%- endfor -%}
    {%- if unique_ids | length > 5 -%}{%- do names.append("and " ~ (unique_ids | length - 5) ~ " more") -%}{%- endif -%}
    {{ return(names | join(', ')) }}
{%- endmacro %}
