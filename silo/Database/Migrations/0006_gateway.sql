create table marionette.api_key (
    id            text collate "C" primary key,
    tenant        text collate "C" not null,
    name          text,
    key_prefix    text not null, -- what people recognise a key by; far too short to guess the rest from
    key_hash      bytea not null unique,
    scopes        text[] not null,
    labels        jsonb not null default '{}',
    created_at    timestamptz not null,
    created_by    text,
    last_used_at  timestamptz,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    revoke_reason text
) with (fillfactor = 70);
create index api_key_by_tenant on marionette.api_key (tenant, id desc);

-- What a POST with an Idempotency-Key made, so that its repetition finds it and another body is refused.
create table marionette.idempotency (
    tenant     text collate "C" not null,
    key        text collate "C" not null,
    route      text not null,
    body_hash  bytea not null,
    result_id  text collate "C" not null,
    created_at timestamptz not null,
    primary key (tenant, key)
);
create index idempotency_by_age on marionette.idempotency (created_at); -- for dropping old ones
