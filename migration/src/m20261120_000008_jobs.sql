-- Customers' asynchronous inferences. Inputs and results are objects in the store; here is what became of them.
CREATE TABLE job (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES account,
    key_id       uuid NOT NULL REFERENCES api_key,
    request_id   uuid NOT NULL,
    task         text NOT NULL CHECK (task IN ('detect', 'classify', 'embed')),
    -- As the customer named it; the default of the task when it is null.
    model        text,
    options      jsonb NOT NULL,
    -- Where the image is to be fetched from; null when it was sent, and once the job has ended.
    image_url    text,
    status       text NOT NULL CHECK (status IN ('queued', 'processing', 'succeeded', 'failed', 'canceled')),
    -- The most that it will cost.
    price_nanos  bigint NOT NULL CHECK (price_nanos >= 0),
    currency     text NOT NULL,
    error_code   text,
    error_detail text,
    created_at   timestamptz NOT NULL,
    started_at   timestamptz,
    finished_at  timestamptz,
    -- When its result was deleted before its time.
    erased_at    timestamptz,
    CHECK ((status IN ('queued', 'processing')) = (finished_at IS NULL)),
    CHECK ((status = 'failed') = (error_code IS NOT NULL))
);
CREATE INDEX job_account ON job (account_id, id);
CREATE INDEX job_unfinished ON job (account_id) WHERE finished_at IS NULL;
CREATE INDEX job_finished ON job (finished_at) WHERE finished_at IS NOT NULL;

-- Work of customers waits in a lane of its own, and in it by rank, so that a crowd of one customer delays no other.
ALTER TABLE queue_job ADD COLUMN lane text NOT NULL DEFAULT 'own' CHECK (lane IN ('own', 'customers'));
ALTER TABLE queue_job ADD COLUMN rank timestamptz;
UPDATE queue_job SET rank = run_at;
ALTER TABLE queue_job ALTER COLUMN rank SET NOT NULL;
DROP INDEX queue_job_ready;
CREATE INDEX queue_job_ready ON queue_job (lane, rank, id) WHERE state = 'ready';

-- A key may also stand for a job that was submitted, or for one that may never be charged: neither has an event.
ALTER TABLE idempotency ALTER COLUMN event_id DROP NOT NULL;
