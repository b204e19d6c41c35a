-- Months of usage whose events are in a Parquet file and in no partition any more.
CREATE TABLE usage_archive (
    -- Its first day.
    month         date PRIMARY KEY CHECK (extract(day FROM month) = 1),
    object        text NOT NULL,
    bytes         bigint NOT NULL CHECK (bytes > 0),
    events        bigint NOT NULL CHECK (events >= 0),
    -- Of all its events, as on invoices: the sum of their SHA-256 modulo 2^256.
    digest        bytea NOT NULL CHECK (length(digest) = 32),
    -- The end of the file. It holds the SHA-256 of every other part, so whatever is read of the file is known to be what was
    -- written.
    footer_bytes  bigint NOT NULL CHECK (footer_bytes > 0),
    footer_sha256 bytea NOT NULL CHECK (length(footer_sha256) = 32),
    archived_at   timestamptz NOT NULL
);

-- What the events of such a month come to, by the key of usage_rollup: the two are compared without the file. The month stands
-- behind the account, so that one look tells which files have anything of an account's.
CREATE TABLE usage_archived (
    account_id   uuid NOT NULL,
    month        date NOT NULL,
    period_id    uuid NOT NULL,
    price_id     uuid NOT NULL,
    key_id       uuid NOT NULL,
    model        text NOT NULL,
    hour         timestamptz NOT NULL,
    events       bigint NOT NULL,
    quantity     bigint NOT NULL,
    amount_nanos bigint NOT NULL,
    PRIMARY KEY (account_id, month, period_id, price_id, key_id, model, hour)
);

-- A clock that jumps back into an archived month makes no partition of it anew: its events go where all strays go, and reading
-- puts them in their place.
CREATE OR REPLACE FUNCTION ensure_usage_partition(month timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    lo timestamptz := date_trunc('month', month AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    hi timestamptz := (date_trunc('month', month AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    name text := 'usage_event_' || to_char(lo AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass(name) IS NULL AND NOT EXISTS (SELECT 1 FROM usage_archive a WHERE a.month = (lo AT TIME ZONE 'UTC')::date) THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF usage_event FOR VALUES FROM (%L) TO (%L)', name, uuid_floor(lo), uuid_floor(hi));
    END IF;
END $$;
