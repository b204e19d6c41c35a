-- Accounts, their members, and what proves who someone is.
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE account (
    id                   uuid PRIMARY KEY,
    name                 text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    currency             text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    mode                 text NOT NULL CHECK (mode IN ('live', 'test')),
    standing             text NOT NULL DEFAULT 'active' CHECK (standing IN ('active', 'past_due', 'suspended', 'closed')),
    stripe_customer_id   text UNIQUE,
    -- Simulated time: what is added to the wall clock for this account. Only test-mode accounts may have any.
    clock_offset_seconds bigint NOT NULL DEFAULT 0 CHECK (clock_offset_seconds >= 0),
    next_invoice_number  bigint NOT NULL DEFAULT 1,
    created_at           timestamptz NOT NULL,
    CHECK (clock_offset_seconds = 0 OR mode = 'test')
);

CREATE TABLE member (
    id                uuid PRIMARY KEY,
    account_id        uuid NOT NULL REFERENCES account,
    email             text NOT NULL CHECK (email = lower(email)),
    password_hash     text NOT NULL,
    role              text NOT NULL CHECK (role IN ('owner', 'admin', 'billing', 'developer', 'viewer')),
    email_verified_at timestamptz,
    created_at        timestamptz NOT NULL
);
CREATE UNIQUE INDEX member_email ON member (email);
CREATE INDEX member_account ON member (account_id);

-- Only the SHA-256 of the cookie is here: a copy of the table opens no session.
CREATE TABLE session (
    id           uuid PRIMARY KEY,
    token_hash   bytea NOT NULL UNIQUE,
    member_id    uuid NOT NULL REFERENCES member ON DELETE CASCADE,
    user_agent   text NOT NULL,
    ip           text NOT NULL,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX session_member ON session (member_id);

CREATE TABLE email_token (
    token_hash bytea PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES member ON DELETE CASCADE,
    purpose    text NOT NULL CHECK (purpose IN ('verify', 'reset')),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX email_token_member ON email_token (member_id);

CREATE TABLE api_key (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES account,
    created_by   uuid REFERENCES member ON DELETE SET NULL,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- `lm_<mode>_<public_id>_<secret>`: looked up by public_id, proved by the hash of the secret.
    public_id    text NOT NULL UNIQUE,
    secret_hash  bytea NOT NULL,
    hint         text NOT NULL,
    scopes       jsonb NOT NULL,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    expires_at   timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_key_account ON api_key (account_id);
