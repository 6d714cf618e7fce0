{#- By what rules a node is made: all that decides its rows but for the rows that
    it is made from. A node's table stands for as long as these are the same and
    nothing came that it reads (standing.sql). What it is made from has rules of
    its own, and is asked in turn; but for ephemeral models, which are text in it.
 -#}
{% macro rules_of(unique_id) -%}
    {%- set known = rules_known() -%}
    {%- if unique_id in known -%}
        {{ return(known[unique_id]) }}
    {%- endif -%}
    {%- set node = graph.nodes[unique_id] -%}
    {%- set rules = [node.checksum.checksum, node.raw_code or '', tojson(config_that_counts(node), sort_keys=true)] -%}
    {%- if node.test_metadata -%}
        {%- do rules.append(tojson(node.test_metadata.kwargs, sort_keys=true)) -%}
    {%- endif -%}
    {%- for column in node.columns.values() if node.resource_type == 'model' -%}
        {%- do rules.append(column.name ~ ' ' ~ column.data_type ~ ' ' ~ tojson(column.constraints)) -%}
    {%- endfor -%}

    {%- for parent in (node.depends_on or {}).get('nodes', []) -%}
        {%- if parent in graph.sources -%}
            {#- Its columns and key are in the SQL that source_as_of makes. -#}
            {%- set source = graph.sources[parent] -%}
            {%- do rules.append(parent ~ ' ' ~ source.schema ~ '.' ~ source.identifier ~ ' ' ~ tojson(source.config.meta, sort_keys=true)) -%}
            {%- for column in source.columns.values() -%}
                {%- do rules.append(column.name ~ ' ' ~ column.data_type) -%}
            {%- endfor -%}
        {%- elif parent in graph.nodes and graph.nodes[parent].config.materialized == 'ephemeral' -%}
            {%- do rules.append(parent ~ ' ' ~ rules_of(parent)) -%}
        {%- endif -%}
    {%- endfor -%}

    {%- set texts = [node.raw_code or ''] -%}
    {%- for name in macros_called_by(node) -%}
        {%- set macro = macro_with(name) -%}
        {%- do rules.append(name ~ '=' ~ macro.digest) -%}
        {%- do texts.append(macro.text) -%}
    {%- endfor -%}
    {%- for name in vars_named_in(texts | join('\n')) -%}
        {%- do rules.append('var ' ~ name ~ '=' ~ (var(name, none) | string)) -%}
    {%- endfor -%}
    {%- do known.update({unique_id: local_md5(rules | join('\n'))}) -%}
    {{ return(known[unique_id]) }}
{%- endmacro %}

{#- What was found of the project as it was parsed, with these vars: hundreds of nodes
    are asked about, at the end of every build. Kept with the graph, which in a dbt
    that stays (`loader build --watch`) outlives the run. -#}
{% macro rules_known() -%}
    {{ return(graph.setdefault('rules with ' ~ invocation_args_dict.get('vars'), {})) }}
{%- endmacro %}

{#- A node's config without what only people and other tools read. -#}
{% macro config_that_counts(node) -%}
    {%- set counts = {'changed_by': (node.config.meta or {}).get('changed_by')} -%}
    {%- for change in counts.changed_by or [] if change.get('versions_of') -%}
        {%- do counts.update({change.versions_of: version_sources(change.versions_of)}) -%}
    {%- endfor -%}
    {%- for name, value in node.config.items() if name not in ['meta', 'tags', 'docs', 'group', 'access', 'freshness'] -%}
        {%- do counts.update({name: value}) -%}
    {%- endfor -%}
    {{ return(counts) }}
{%- endmacro %}

{#- Names of the project's macros that a node calls, by whatever way, in order. -#}
{% macro macros_called_by(node) -%}
    {%- set names = [] -%}
    {%- for called in (node.depends_on or {}).get('macros', []) if is_rule(called) -%}
        {%- for name in macro_with(called).closure if name not in names -%}
            {%- do names.append(name) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(names | sort) }}
{%- endmacro %}

{#- {text, digest, closure}: of a macro of the project and, by name, itself and
    all that it calls. A dbt that does not show macros gives empty texts. -#}
{% macro macro_with(name) -%}
    {%- set known = rules_known() -%}
    {%- if name in known -%}
        {{ return(known[name]) }}
    {%- endif -%}
    {%- set names = [name] -%}
    {%- for called in names -%}
        {%- set macro = (context.get(called.split('.')[2]) or {}).macro -%}
        {%- for further in (macro.depends_on.macros if macro else []) if is_rule(further) and further not in names -%}
            {%- do names.append(further) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set macro = (context.get(name.split('.')[2]) or {}).macro -%}
    {%- set text = macro.macro_sql if macro else '' -%}
    {%- do known.update({name: {'text': text, 'digest': local_md5(text), 'closure': names}}) -%}
    {{ return(known[name]) }}
{%- endmacro %}

{#- Of the project, and no hook: these decide no row. -#}
{% macro is_rule(macro_id) -%}
    {%- set parts = macro_id.split('.') -%}
    {{ return(parts[1] == project_name and parts[2] not in ['enter_build', 'leave_build', 'generate_schema_name']) }}
{%- endmacro %}

{#- The vars that a text names. as_of is the build's day, not a rule: it moves
    with the loads, and is asked by uses_as_of. -#}
{% macro vars_named_in(text) -%}
    {%- set names = [] -%}
    {%- for name in modules.re.findall("\\bvar\\(\\s*['\"](\\w+)['\"]", text) | unique if name not in ['as_of', 'as_of_source'] -%}
        {%- do names.append(name) -%}
    {%- endfor -%}
    {{ return(names | sort) }}
{%- endmacro %}

{#- Whether a node's own text asks for the build's day. -#}
{% macro uses_as_of(node) -%}
    {%- set known, key = rules_known(), 'as_of ' ~ node.unique_id -%}
    {%- if key not in known -%}
        {%- set by_macro = 'macro.' ~ project_name ~ '.as_of_date' in macros_called_by(node) -%}
        {%- set by_var = modules.re.search("\\bvar\\(\\s*['\"]as_of['\"]", node.raw_code or '') is not none -%}
        {%- do known.update({key: by_macro or by_var}) -%}
    {%- endif -%}
    {{ return(known[key]) }}
{%- endmacro %}
