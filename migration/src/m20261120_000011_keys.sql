-- What a key may do beyond its scopes, its secrets while they are rotated, and who is told when any of it changes.
ALTER TABLE api_key
    -- A list of names; NULL: every model.
    ADD COLUMN models              jsonb,
    -- A list of networks in CIDR notation; NULL: from anywhere.
    ADD COLUMN allowed_ips         jsonb,
    -- Beside the limit of the account's plan; NULL: only that.
    ADD COLUMN requests_per_minute int CHECK (requests_per_minute > 0),
    -- The customer's own notes: texts by name.
    ADD COLUMN metadata            jsonb NOT NULL DEFAULT '{}';

-- Secrets that a rotation replaced and that still open their key for a while.
CREATE TABLE former_secret (
    secret_hash bytea PRIMARY KEY,
    key_id      uuid NOT NULL REFERENCES api_key ON DELETE CASCADE,
    hint        text NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX former_secret_key ON former_secret (key_id);

-- Replicas keep keys and their accounts in memory. By trigger, so that no statement forgets to tell them; noting the last
-- use and numbering an invoice change nothing that they keep.
CREATE FUNCTION tell_key_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('api_key', 'key ' || OLD.public_id);
    RETURN NULL;
END $$;
CREATE TRIGGER api_key_changed AFTER UPDATE ON api_key FOR EACH ROW
    WHEN (to_jsonb(OLD) - 'last_used_at' IS DISTINCT FROM to_jsonb(NEW) - 'last_used_at') EXECUTE FUNCTION tell_key_changed();
CREATE TRIGGER api_key_gone AFTER DELETE ON api_key FOR EACH ROW EXECUTE FUNCTION tell_key_changed();

CREATE FUNCTION tell_secret_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('api_key', 'key ' || public_id) FROM api_key WHERE id IN (OLD.key_id, NEW.key_id);
    RETURN NULL;
END $$;
CREATE TRIGGER former_secret_changed AFTER INSERT OR UPDATE OR DELETE ON former_secret FOR EACH ROW EXECUTE FUNCTION tell_secret_changed();

CREATE FUNCTION tell_account_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('api_key', 'account ' || OLD.id);
    RETURN NULL;
END $$;
CREATE TRIGGER account_changed AFTER UPDATE ON account FOR EACH ROW
    WHEN (to_jsonb(OLD) - 'next_invoice_number' IS DISTINCT FROM to_jsonb(NEW) - 'next_invoice_number')
    EXECUTE FUNCTION tell_account_changed();

-- How much of a window's requests the replicas have taken, by account or key. Not logged: a crash of the server forgets
-- the windows that were open, and nothing else; a call never waits for its disk.
CREATE UNLOGGED TABLE rate_window (
    id        uuid PRIMARY KEY,
    starts_at timestamptz NOT NULL,
    taken     bigint NOT NULL,
    -- What the last UPDATE gave, for its RETURNING.
    granted   bigint NOT NULL
) WITH (fillfactor = 50);
