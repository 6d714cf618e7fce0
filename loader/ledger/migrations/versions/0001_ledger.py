"""The ledger: loads, rejects, the clock, users, tokens, builds and their watermarks."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = """
create table ledger.loads (
    load_id bigint generated always as identity primary key,
    seq bigint unique,
    source text not null,
    table_name text not null,
    door text not null,
    principal text not null,
    status text not null
        constraint loads_status_check
        check (status in ('running', 'succeeded', 'refused', 'failed')),
    received bigint not null default 0,
    accepted bigint not null default 0,
    waiting bigint not null default 0,
    rejected bigint not null default 0,
    duplicates bigint not null default 0,
    warnings jsonb not null default '[]'::jsonb,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    file_name text,
    content_hash text,
    idempotency_key text,
    on_reject text not null default 'quarantine',
    cause_load_id bigint references ledger.loads (load_id),
    contract_fingerprint text,
    message text,
    constraint loads_conservation_check
        check (received = accepted + waiting + rejected + duplicates)
);
create unique index loads_idempotency_key_idx
    on ledger.loads (source, table_name, idempotency_key)
    where idempotency_key is not null and status <> 'failed';
create index loads_table_idx on ledger.loads (source, table_name, load_id desc);
create index loads_content_hash_idx on ledger.loads (content_hash)
    where content_hash is not null;

create table ledger.rejects (
    reject_id bigint generated always as identity primary key,
    load_id bigint not null references ledger.loads (load_id),
    row bigint not null,
    source text not null,
    table_name text not null,
    status text not null
        constraint rejects_status_check
        check (status in ('rejected', 'waiting', 'resolved', 'dismissed')),
    rule text not null,
    column_name text,
    message text not null,
    faults jsonb not null,
    payload jsonb not null,
    first_load_id bigint not null,
    first_row bigint not null,
    resolved_load_id bigint references ledger.loads (load_id),
    resolved_row bigint,
    resolved_at timestamptz,
    created_at timestamptz not null default now(),
    unique (load_id, row)
);
create index rejects_waiting_idx on ledger.rejects (source, table_name)
    where status = 'waiting';
create index rejects_status_idx
    on ledger.rejects (status, source, table_name, reject_id desc);
create index rejects_resolved_idx on ledger.rejects (resolved_load_id, resolved_row)
    where resolved_load_id is not null;

create table ledger.clock (
    singleton boolean primary key default true
        constraint clock_singleton_check check (singleton),
    last_seq bigint not null default 0
);
insert into ledger.clock default values;

create table ledger.users (
    user_id bigint generated always as identity primary key,
    name text not null unique,
    password_hash text not null,
    active boolean not null default true,
    session_epoch bigint not null default 0,
    created_at timestamptz not null default now(),
    last_login_at timestamptz
);

create table ledger.tokens (
    token_id bigint generated always as identity primary key,
    name text not null,
    token_hash text not null unique,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_by text
);

create table ledger.builds (
    build_id bigint generated always as identity primary key,
    invocation_id text,
    command text,
    upper_bound bigint not null,
    as_of date,
    status text,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    published_at timestamptz,
    message text
);

create table ledger.build_results (
    build_id bigint not null references ledger.builds (build_id),
    unique_id text not null,
    resource_type text,
    severity text,
    status text,
    seconds double precision,
    failures bigint,
    message text,
    finished_at timestamptz not null default now(),
    primary key (build_id, unique_id)
);

create table ledger.model_watermarks (
    relation text primary key,
    seq bigint not null,
    build_id bigint,
    fingerprint text not null,
    moved_at timestamptz not null default now()
);
"""


def upgrade() -> None:
    op.execute(_STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("the ledger is a record: it is not taken back")
