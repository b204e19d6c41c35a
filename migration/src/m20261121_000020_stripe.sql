-- What Stripe was asked for, before it is asked: the same call is sent again under the same key with the same bytes, and no second
-- one is made before a look at what the first one left.
CREATE TABLE stripe_intent (
    key     text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 200),
    -- From 1. A new one begins when Stripe forgot the key of the last, or will answer it with a stored failure for ever.
    attempt int NOT NULL DEFAULT 1 CHECK (attempt > 0),
    -- The form of this attempt; empty once nothing may be sent with it any more.
    body    text NOT NULL,
    sent_at timestamptz NOT NULL,
    spoilt  boolean NOT NULL DEFAULT false
);
CREATE INDEX stripe_intent_age ON stripe_intent (sent_at) WHERE body <> '';

-- `charge`: the saved card is charged. `send`: the invoice is sent and paid by hand or by transfer until it is due.
ALTER TABLE account ADD COLUMN collection text NOT NULL DEFAULT 'charge' CHECK (collection IN ('charge', 'send'));
ALTER TABLE invoice
    ADD COLUMN collection       text NOT NULL DEFAULT 'charge' CHECK (collection IN ('charge', 'send')),
    -- Of what is sent: when it is overdue, in the account's own time.
    ADD COLUMN due_at           timestamptz,
    -- The bank wants the customer to confirm the charge; since when, in the account's own time. NULL: not, or no more.
    ADD COLUMN action_needed_at timestamptz;
CREATE INDEX invoice_due ON invoice (due_at) WHERE due_at IS NOT NULL AND document_state = 'open' AND payment_state <> 'paid';
CREATE INDEX invoice_action ON invoice (action_needed_at) WHERE action_needed_at IS NOT NULL;

-- A customer who asked the bank for the money back.
CREATE TABLE dispute (
    -- Stripe's.
    id             text PRIMARY KEY,
    account_id     uuid NOT NULL REFERENCES account,
    top_up_id      uuid REFERENCES top_up,
    invoice_id     uuid REFERENCES invoice,
    payment_intent text NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    currency       text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    reason         text NOT NULL,
    -- `inquiry`: the bank asks, no money moved.
    state          text NOT NULL CHECK (state IN ('inquiry', 'open', 'won', 'lost')),
    -- Credit that cannot be spent until it is decided.
    frozen_nanos   bigint NOT NULL DEFAULT 0 CHECK (frozen_nanos >= 0),
    created_at     timestamptz NOT NULL,
    closed_at      timestamptz,
    CHECK ((top_up_id IS NULL) <> (invoice_id IS NULL)),
    CHECK (state = 'open' OR frozen_nanos = 0)
);
CREATE INDEX dispute_account ON dispute (account_id);

-- Above zero: credit that a dispute froze.
ALTER TABLE balance DROP CONSTRAINT balance_floor_check;

-- Stripe's own credit note of ours; refunds that come back.
ALTER TABLE credit_note
    ADD COLUMN stripe_credit_note_id text UNIQUE,
    -- Which refund it is, from 1: one that failed is followed by another.
    ADD COLUMN refund_attempt        int NOT NULL DEFAULT 1 CHECK (refund_attempt > 0),
    DROP CONSTRAINT credit_note_refund_state_check,
    ADD CONSTRAINT credit_note_refund_state_check CHECK (refund_state IN ('none', 'pending', 'done', 'failed'));
CREATE OR REPLACE FUNCTION freeze_credit_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE later text[] := '{refund_state,stripe_refund_id,stripe_credit_note_id,refund_attempt}';
BEGIN
    IF TG_OP = 'DELETE' OR (to_jsonb(NEW) - later) <> (to_jsonb(OLD) - later) THEN
        RAISE EXCEPTION 'credit note % is issued and frozen', OLD.number USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- What an operator wants to know of the line to Stripe: one row.
CREATE TABLE stripe_state (
    one               boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- The last webhook that was accepted, to the minute.
    webhook_at        timestamptz,
    -- Webhooks are refused since then, none was accepted meanwhile; NULL: they are not.
    refused_since     timestamptz,
    refused_at        timestamptz,
    refused_reason    text,
    -- Events up to there were asked for.
    polled_to         timestamptz,
    -- Stripe has not answered the poll since then; NULL: it did.
    poll_failed_since timestamptz,
    poll_error        text,
    compared_at       timestamptz
);
INSERT INTO stripe_state DEFAULT VALUES;

-- Where Stripe's books and ours do not say the same.
CREATE TABLE stripe_difference (
    -- `invoice`, `refund`, `dispute`, `checkout_session`, `credit_note`.
    object      text NOT NULL,
    object_id   text NOT NULL,
    what        text NOT NULL,
    ours        text NOT NULL,
    theirs      text NOT NULL,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    -- A later comparison found them equal.
    resolved_at timestamptz,
    PRIMARY KEY (object_id, what)
);
