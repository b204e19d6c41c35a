-- Our own background work and the mail outbox.

-- `key` coalesces: a second enqueue of the same (kind, key) while the first waits is the same job.
CREATE TABLE queue_job (
    id           uuid PRIMARY KEY,
    kind         text NOT NULL,
    key          text,
    payload      jsonb NOT NULL,
    state        text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'parked')),
    run_at       timestamptz NOT NULL,
    attempts     int NOT NULL DEFAULT 0,
    max_attempts int NOT NULL,
    -- A worker that dies leaves this in the past, and the job is claimed again.
    locked_until timestamptz,
    last_error   text,
    created_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX queue_job_key ON queue_job (kind, key) WHERE key IS NOT NULL;
CREATE INDEX queue_job_ready ON queue_job (run_at) WHERE state = 'ready';

CREATE TABLE mail (
    id         uuid PRIMARY KEY,
    account_id uuid REFERENCES account,
    letter     text NOT NULL,
    recipient  text NOT NULL,
    subject    text NOT NULL,
    text_body  text NOT NULL,
    html_body  text NOT NULL,
    created_at timestamptz NOT NULL,
    sent_at    timestamptz
);

CREATE INDEX mail_recipient ON mail (recipient, created_at);

CREATE TABLE mail_attachment (
    mail_id      uuid NOT NULL REFERENCES mail ON DELETE CASCADE,
    seq          int NOT NULL,
    filename     text NOT NULL,
    content_type text NOT NULL,
    content      bytea NOT NULL,
    PRIMARY KEY (mail_id, seq)
);
