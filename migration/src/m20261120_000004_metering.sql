-- What was used, and the one hot row that says how much more may be.

-- Append only. Partitioned by id: ids are UUIDv7, so a month of ids is a month of events.
CREATE TABLE usage_event (
    id            uuid PRIMARY KEY,
    account_id    uuid NOT NULL,
    key_id        uuid NOT NULL,
    period_id     uuid NOT NULL,
    price_id      uuid NOT NULL,
    task          text NOT NULL,
    model         text NOT NULL,
    model_version text NOT NULL,
    request_id    uuid NOT NULL,
    quantity      bigint NOT NULL CHECK (quantity > 0),
    -- What the same price had already counted in this period: amount = f(quantity_before + quantity) - f(quantity_before).
    quantity_before bigint NOT NULL CHECK (quantity_before >= 0),
    amount_nanos  bigint NOT NULL CHECK (amount_nanos >= 0),
    pixels        bigint NOT NULL,
    compute_us    bigint NOT NULL,
    at            timestamptz NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX usage_event_account ON usage_event (account_id, id);
CREATE INDEX usage_event_period ON usage_event (period_id, id);
CREATE TABLE usage_event_default PARTITION OF usage_event DEFAULT;

-- The first UUIDv7 of an instant: 48 bits of milliseconds, then zeros.
CREATE FUNCTION uuid_floor(instant timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

CREATE FUNCTION ensure_usage_partition(month timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    lo timestamptz := date_trunc('month', month AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    hi timestamptz := (date_trunc('month', month AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    name text := 'usage_event_' || to_char(lo AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass(name) IS NULL THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF usage_event FOR VALUES FROM (%L) TO (%L)', name, uuid_floor(lo), uuid_floor(hi));
    END IF;
END $$;

-- Same transaction as the events they sum.
CREATE TABLE usage_rollup (
    account_id   uuid NOT NULL,
    period_id    uuid NOT NULL,
    price_id     uuid NOT NULL,
    key_id       uuid NOT NULL,
    model        text NOT NULL,
    hour         timestamptz NOT NULL,
    events       bigint NOT NULL,
    quantity     bigint NOT NULL,
    amount_nanos bigint NOT NULL,
    PRIMARY KEY (account_id, period_id, price_id, key_id, model, hour)
);

-- Where on the tiers a period stands, for each price.
CREATE TABLE usage_counter (
    period_id uuid NOT NULL,
    price_id  uuid NOT NULL,
    quantity  bigint NOT NULL,
    PRIMARY KEY (period_id, price_id)
);

-- A retry finds the answer here. Rows leave after 24 hours.
CREATE TABLE idempotency (
    account_id  uuid NOT NULL,
    key         text NOT NULL CHECK (length(key) <= 255),
    route       text NOT NULL,
    fingerprint bytea NOT NULL,
    event_id    uuid NOT NULL,
    answer      bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, key)
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- credits: ever granted. debits: ever spent. held: promised to leases. The CHECK is "no overspend, ever".
CREATE TABLE balance (
    account_id uuid PRIMARY KEY REFERENCES account,
    credits    bigint NOT NULL DEFAULT 0,
    debits     bigint NOT NULL DEFAULT 0 CHECK (debits >= 0),
    held       bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    floor      bigint NOT NULL DEFAULT 0 CHECK (floor <= 0),
    CHECK (debits + held <= credits - floor)
) WITH (fillfactor = 50);

-- A slice of `balance.held` that one replica may spend from memory. Settled amounts move from held to debits.
CREATE TABLE lease (
    id         uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES balance,
    replica    uuid NOT NULL,
    amount     bigint NOT NULL CHECK (amount >= 0),
    used       bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
    expires_at timestamptz NOT NULL,
    CHECK (used <= amount)
);
CREATE INDEX lease_account ON lease (account_id);
CREATE INDEX lease_expiry ON lease (expires_at);
