{#- A build of a part leaves tables behind. Tests compare what the part holds,
    and can pass; published, a table that read less would be called current and
    not be. So a mart is published only if it stands, and with it all that it is
    made from (standing.sql). -#}

{#- Why marts do not stand, as a sentence; none if they do. -#}
{% macro why_marts_are_stale(past, marts) -%}
    {%- for mart in marts -%}
        {%- do standing(mart.unique_id, past) -%}
    {%- endfor -%}
    {%- set reasons = {} -%}
    {%- for unique_id, found in past.models.items() if found.why not in [none, 'inherited'] -%}
        {%- do reasons.setdefault(found.why, []).append(unique_id) -%}
    {%- endfor -%}

    {%- set behind = reasons.get('never', []) + reasons.get('behind', []) -%}
    {%- if reasons.get('rules') -%}
        {{ return("these were made by other rules than those of today: " ~ named_few(reasons.rules | sort) ~ "; run dbt build") }}
    {%- elif behind -%}
        {%- set oldest = [] -%}
        {%- for unique_id in behind -%}
            {%- do oldest.append((past.last.get(unique_id) or {}).get('upper_bound') or 0) -%}
        {%- endfor -%}
        {{ return(
            "these read up to load " ~ oldest | min ~ " and this build up to " ~ past.build.upper_bound ~ ": "
            ~ named_few(behind | sort) ~ "; run dbt build"
        ) }}
    {%- elif reasons.get('day') -%}
        {{ return(
            "these are as of another day than " ~ past.build.as_of ~ ": " ~ named_few(reasons.day | sort) ~ "; run dbt build"
        ) }}
    {%- elif reasons -%}
        {{ return("these were made before what they are made from: " ~ named_few(reasons.values() | sum(start=[]) | sort) ~ "; run dbt build") }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro %}
