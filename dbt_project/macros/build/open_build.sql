{#- on-run-start. What changes tables (`dbt build`, `run`, `seed`, `snapshot`)
    opens a build; `dbt test` attaches to the latest; all else does neither, and
    sees the latest build's bound. -#}
{% macro open_build() -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'seed', 'snapshot') -%}
        {%- do require_own_server() -%}
        {%- do require_ledger() -%}
        {%- do refuse_partial_data() -%}
        {%- do insert_build() -%}
    {%- elif execute and flags.WHICH == 'test' -%}
        {%- do require_own_server() -%}
        {%- do require_ledger() -%}
        {%- do attach_to_latest_build() -%}
    {%- endif -%}
{%- endmacro %}

{#- While PGHOST is unset our profile means the embedded server of this folder.
    Every folder's has the same user, password and database, and profiles.yml can't
    look up at which port this one's was started. Where data lie is shown to
    superusers, as the embedded server's own user is one; others are let pass. -#}
{% macro require_own_server() -%}
    {%- if target.profile_name == 'gatehouse' and not env_var('PGHOST', '') -%}
        {%- set state = env_var('LOADER_STATE_DIR', '') or invocation_args_dict['project_dir'] ~ '/.gatehouse' -%}
        {%- set own = state ~ '/postgres' -%}
        {%- set found = run_query("select setting from pg_settings where name = 'data_directory'").rows -%}
        {#- a relative path says nothing here -#}
        {%- if found and own[0] == '/' and found[0][0] != own -%}
            {{ exceptions.raise_compiler_error(
                "The server at " ~ target.host ~ ":" ~ target.port ~ " keeps its data in " ~ found[0][0]
                ~ ": it is not the embedded one of this project, whose data are in " ~ own
                ~ '. `loader build` finds that one; for dbt itself run eval "$(.venv/bin/loader db env)" first.'
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro require_ledger() -%}
    {%- set missing = [] -%}
    {%- for table in ['loads', 'builds', 'build_results', 'model_watermarks'] -%}
        {%- if run_query("select to_regclass('ledger." ~ table ~ "')").rows[0][0] is none -%}
            {%- do missing.append('ledger.' ~ table) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if missing -%}
        {{ exceptions.raise_compiler_error(
            "No " ~ missing | join(', ') ~ " in database " ~ target.dbname ~ ": run `loader migrate` first."
        ) }}
    {%- endif -%}
{%- endmacro %}

{#- Tables built from a part of their rows look like whole ones to every later
    build: watermarks move over rows that were never read. -#}
{% macro refuse_partial_data() -%}
    {%- for flag in ['EMPTY', 'SAMPLE'] if flags[flag] -%}
        {{ exceptions.raise_compiler_error(
            "--" ~ flag | lower ~ " builds tables from a part of their rows, and marts would be published from them: not in this warehouse."
        ) }}
    {%- endfor -%}
{%- endmacro %}

{#- One key for all that opens builds, writes models or publishes. -#}
{% macro build_lock() -%}
hashtextextended('gatehouse build', 0)
{%- endmacro %}

{% macro take_build_lock() -%}
    {%- if not run_query("select pg_try_advisory_xact_lock(" ~ build_lock() ~ ")").rows[0][0] -%}
        {%- do log("Another build is writing a model or publishing: waiting until it has done that.", info=True) -%}
        {%- do run_query("select pg_advisory_xact_lock(" ~ build_lock() ~ ")") -%}
    {%- endif -%}
{%- endmacro %}

{#- The exclusive lock waits until no model of another build is being written
    (each holds it shared, see enter_build), then the newer build takes over:
    a build that was killed leaves nothing that could say so itself, and one
    still alive stops at its next model. -#}
{% macro insert_build() -%}
    {%- do take_build_lock() -%}
    {%- set overtaken -%}
update ledger.builds
set status = 'superseded',
    finished_at = now(),
    message = 'did not end before a newer build was opened: it was killed, or ran at the same time'
where status = 'running'
returning build_id
    {%- endset -%}
    {%- for row in run_query(overtaken).rows -%}
        {%- do log("Build " ~ row[0] ~ " had not ended (killed, or still running): this build takes over.", info=True) -%}
    {%- endfor -%}
    {%- set opened -%}
insert into ledger.builds (invocation_id, command, upper_bound, status)
values (
    {{ sql_literal(invocation_id) }},
    {{ sql_literal(build_command()) }},
    {{ chosen_upper_bound() }},
    'running'
)
returning build_id, upper_bound
    {%- endset -%}
    {%- set build = run_query(opened).rows[0] -%}
    {%- do run_query("update ledger.builds set as_of = " ~ chosen_as_of() ~ " where build_id = " ~ build[0]) -%}
    {%- set as_of = run_query("select as_of from ledger.builds where build_id = " ~ build[0]).rows[0][0] -%}
    {%- do run_query("commit") -%}
    {%- do log("Build " ~ build[0] ~ ": staging up to load number " ~ build[1] ~ ", as of " ~ as_of ~ ".", info=True) -%}
{%- endmacro %}

{#- How far a build reads: to the newest load. With var upper_bound no further than that,
    as the watch builds what was due at a bound: what came since is of the next build.
    But never back behind an earlier build: bounds only grow. -#}
{% macro chosen_upper_bound() -%}
    {%- set newest = "(select coalesce(max(seq), 0) from ledger.loads)" -%}
    {%- if var('upper_bound', none) is none -%}
        {{ return(newest) }}
    {%- endif -%}
    {%- set read_before = "(select coalesce(max(upper_bound), 0) from ledger.builds)" -%}
    {{ return("least(" ~ newest ~ ", greatest(" ~ var('upper_bound') | int ~ ", " ~ read_before ~ "))") }}
{%- endmacro %}

{#- What was asked for, in dbt's words: a part is not the whole. -#}
{% macro build_command() -%}
    {%- set words = ['dbt', flags.WHICH] -%}
    {%- if flags.FULL_REFRESH -%}{%- do words.append('--full-refresh') -%}{%- endif -%}
    {%- for option in ['select', 'exclude', 'selector'] if invocation_args_dict[option] -%}
        {%- set value = invocation_args_dict[option] -%}
        {%- set value = value.split() if value is string else value | list -%}
        {%- set more = " and " ~ (value | length - 5) ~ " more" if value | length > 6 else "" -%}
        {%- do words.append('--' ~ option ~ ' ' ~ (value[:5] if more else value) | join(' ') ~ more) -%}
    {%- endfor -%}
    {{ return(words | join(' ')) }}
{%- endmacro %}

{#- The build's 'today': var as_of, else the latest business date in var
    as_of_source ([source, table, column]) as of the bound, but no later than a
    day after the newest load up to the bound: an order dated by mistake in 2107
    must not move every 'today'. The day more is for a source whose clock, or
    whose last business day, is a little ahead. Where nothing was let in yet, the
    shop's today: no row's meaning hangs on it. -#}
{% macro chosen_as_of() -%}
    {%- set column = var('as_of_source', none) if not var('as_of', none) -%}
    {{ return(as_of_by(source_as_of(column[0], column[1]) if column else none, build_upper_bound())) }}
{%- endmacro %}

{#- The same for a build that would be opened now: it would see all there is. -#}
{% macro next_as_of() -%}
    {%- set column = var('as_of_source', none) if not var('as_of', none) -%}
    {{ return(as_of_by(source(column[0], column[1]) if column else none, "(select max(seq) from ledger.loads)")) }}
{%- endmacro %}

{#- `relation` is that of var as_of_source, as the build sees it. -#}
{% macro as_of_by(relation, upper_bound) -%}
    {%- set today = business_date('now()') -%}
    {%- if var('as_of', none) -%}
        {{ return("cast(" ~ sql_literal(var('as_of') | string) ~ " as date)") }}
    {%- elif relation -%}
        {%- set latest = "(select max(" ~ adapter.quote(var('as_of_source')[2]) ~ ") from " ~ relation ~ " as orders)" -%}
        {%- set newest_load = "(select max(finished_at) from ledger.loads where seq <= " ~ upper_bound ~ ")" -%}
        {%- set chosen -%}
coalesce(
    (
        select least(latest, {{ business_date(newest_load) }} + 1)
        from (select {{ business_date(latest) }} as latest) as let_in
        where latest is not null
    ),
    {{ today }}
)
        {%- endset -%}
        {{ return(chosen) }}
    {%- endif -%}
    {{ return(today) }}
{%- endmacro %}

{#- The build is told who tests it, so that at the end the results go to the
    build they were made on, also if a newer one has been opened meanwhile. -#}
{% macro attach_to_latest_build() -%}
    {%- do take_build_lock() -%}
    {%- set rows = run_query("select build_id, status, upper_bound, as_of from ledger.builds order by build_id desc limit 1").rows -%}
    {%- if not rows -%}
        {{ exceptions.raise_compiler_error("There is no build to test yet: run `dbt build` or `dbt run` first.") }}
    {%- endif -%}
    {%- set build = rows[0] -%}
    {%- if build[1] == 'running' -%}
        {{ exceptions.raise_compiler_error(
            "Build " ~ build[0] ~ " has not ended: it is still running, or was killed. Wait for it, or start a new one with `dbt build` or `dbt run`."
        ) }}
    {%- endif -%}
    {%- do run_query("update ledger.builds set invocation_id = " ~ sql_literal(invocation_id) ~ " where build_id = " ~ build[0]) -%}
    {%- do run_query("commit") -%}
    {%- do log("Testing build " ~ build[0] ~ ": staging up to load number " ~ build[2] ~ ", as of " ~ build[3] ~ ".", info=True) -%}
{%- endmacro %}
