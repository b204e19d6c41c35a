-- What we tell customers' servers.
CREATE TABLE webhook_endpoint (
    id          uuid PRIMARY KEY,
    account_id  uuid NOT NULL REFERENCES account,
    url         text NOT NULL CHECK (length(url) <= 2000),
    -- `whsec_` and base64 of 32 bytes, as Standard Webhooks writes it: needed whole to sign.
    secret      text NOT NULL,
    created_at  timestamptz NOT NULL,
    disabled_at timestamptz
);
CREATE INDEX webhook_endpoint_account ON webhook_endpoint (account_id);

-- One row per event and endpoint: what was sent and how it went.
CREATE TABLE webhook_delivery (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES account,
    endpoint_id  uuid NOT NULL REFERENCES webhook_endpoint ON DELETE CASCADE,
    event        text NOT NULL,
    payload      jsonb NOT NULL,
    attempts     int NOT NULL DEFAULT 0,
    last_status  int,
    last_error   text,
    created_at   timestamptz NOT NULL,
    delivered_at timestamptz
);
CREATE INDEX webhook_delivery_account ON webhook_delivery (account_id, id);
