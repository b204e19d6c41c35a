-- What stands on an invoice beside usage and the base fee. An item waits here until the invoice of the period in which it
-- was created takes it.
CREATE TABLE invoice_item (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES account,
    kind         text NOT NULL CHECK (kind IN ('one_off', 'proration')),
    description  text NOT NULL CHECK (length(description) BETWEEN 1 AND 500),
    quantity     bigint NOT NULL CHECK (quantity >= 0),
    unit_nanos   bigint NOT NULL,
    -- Exact, and below zero where it is given back.
    amount_nanos bigint NOT NULL,
    currency     text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    -- What it is for, in the account's own time, the end excluded.
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    created_at   timestamptz NOT NULL,
    -- Who asked for it: `operator`, a member's id, or the part of the product.
    created_by   text NOT NULL,
    invoice_id   uuid REFERENCES invoice,
    CHECK (starts_at <= ends_at)
);
CREATE INDEX invoice_item_waiting ON invoice_item (account_id) WHERE invoice_id IS NULL;
CREATE INDEX invoice_item_invoice ON invoice_item (invoice_id) WHERE invoice_id IS NOT NULL;

-- An order-free digest of the events that a row sums: SHA-256 of each as a number, added modulo 2^256. So closing a period
-- reads no event.
ALTER TABLE usage_rollup ADD COLUMN digest numeric(78, 0) NOT NULL DEFAULT 0 CHECK (digest >= 0);

-- Burnt in the order of priority, expires_at (never last), effective_at, id.
ALTER TABLE credit_grant
    ADD COLUMN priority     smallint NOT NULL DEFAULT 100,
    ADD COLUMN effective_at timestamptz,
    ADD COLUMN expires_at   timestamptz,
    -- Why an operator granted it; empty when the product did.
    ADD COLUMN reason       text NOT NULL DEFAULT '' CHECK (length(reason) <= 500);
UPDATE credit_grant SET effective_at = created_at, priority = CASE kind WHEN 'promotional' THEN 50 ELSE 100 END;
ALTER TABLE credit_grant
    ALTER COLUMN effective_at SET NOT NULL,
    ADD CHECK (expires_at > effective_at);
CREATE INDEX credit_grant_expiry ON credit_grant (expires_at) WHERE expires_at IS NOT NULL AND remaining_nanos > 0;

-- What became of a grant beside its remaining amount: what customers read in their statement.
CREATE TABLE credit_movement (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES account,
    grant_id     uuid NOT NULL REFERENCES credit_grant,
    kind         text NOT NULL CHECK (kind IN ('burn', 'return', 'expiry', 'revocation')),
    amount_nanos bigint NOT NULL CHECK (amount_nanos > 0),
    -- Of the invoice that took it, or that was withdrawn.
    invoice_id   uuid REFERENCES invoice,
    reason       text NOT NULL DEFAULT '',
    at           timestamptz NOT NULL,
    CHECK ((kind IN ('burn', 'return')) = (invoice_id IS NOT NULL))
);
CREATE INDEX credit_movement_account ON credit_movement (account_id, at);
CREATE INDEX credit_movement_invoice ON credit_movement (invoice_id) WHERE invoice_id IS NOT NULL;
CREATE TRIGGER credit_movement_immutable BEFORE UPDATE OR DELETE ON credit_movement FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_code_check;
ALTER TABLE ledger_account ADD CONSTRAINT ledger_account_code_check CHECK (code IN (
    'cash', 'promotion', 'credit', 'receivable', 'revenue', 'rounding', 'tax', 'breakage', 'bad_debt', 'adjustment'));

-- Credit that buys itself when it runs low.
CREATE TABLE auto_top_up (
    account_id      uuid PRIMARY KEY REFERENCES account,
    enabled         boolean NOT NULL,
    threshold_nanos bigint NOT NULL CHECK (threshold_nanos >= 0),
    amount_minor    bigint NOT NULL CHECK (amount_minor > 0),
    daily_cap_minor bigint NOT NULL CHECK (daily_cap_minor >= amount_minor),
    -- Charges that failed since the last that succeeded, and when the next may be tried.
    failures        int NOT NULL DEFAULT 0,
    next_try_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);

ALTER TABLE top_up
    DROP CONSTRAINT top_up_state_check,
    ADD CONSTRAINT top_up_state_check CHECK (state IN ('pending', 'paid', 'expired', 'failed')),
    ADD COLUMN automatic boolean NOT NULL DEFAULT false;
-- However many replicas see the same low balance.
CREATE UNIQUE INDEX top_up_one_automatic ON top_up (account_id) WHERE automatic AND state = 'pending';

-- A discount that operators hand out under a code.
CREATE TABLE coupon (
    id           uuid PRIMARY KEY,
    code         text NOT NULL UNIQUE CHECK (code ~ '^[A-Z0-9_-]{2,40}$'),
    description  text NOT NULL CHECK (length(description) BETWEEN 1 AND 200),
    -- Hundredths of a per cent; or an amount in minor units of `currency`.
    percent_bp   int CHECK (percent_bp BETWEEN 1 AND 10000),
    amount_minor bigint CHECK (amount_minor > 0),
    currency     text,
    duration     text NOT NULL CHECK (duration IN ('once', 'repeating', 'forever')),
    months       int CHECK (months BETWEEN 1 AND 120),
    created_at   timestamptz NOT NULL,
    CHECK ((percent_bp IS NULL) <> (amount_minor IS NULL)),
    CHECK ((amount_minor IS NULL) = (currency IS NULL)),
    CHECK ((duration = 'repeating') = (months IS NOT NULL))
);
CREATE TRIGGER coupon_immutable BEFORE UPDATE OR DELETE ON coupon FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE coupon_redemption (
    id          uuid PRIMARY KEY,
    account_id  uuid NOT NULL REFERENCES account,
    coupon_id   uuid NOT NULL REFERENCES coupon,
    redeemed_at timestamptz NOT NULL,
    -- Invoices of periods that start from then on have it no more; NULL: not bounded by time.
    ends_at     timestamptz,
    UNIQUE (account_id, coupon_id)
);

CREATE TABLE coupon_use (
    invoice_id    uuid NOT NULL REFERENCES invoice,
    redemption_id uuid NOT NULL REFERENCES coupon_redemption,
    amount_minor  bigint NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (invoice_id, redemption_id)
);

ALTER TABLE invoice DROP CONSTRAINT invoice_check;
ALTER TABLE invoice
    ADD COLUMN discount_minor    bigint NOT NULL DEFAULT 0 CHECK (discount_minor >= 0),
    ADD COLUMN tax_minor         bigint NOT NULL DEFAULT 0,
    -- Whether prices hold the tax already.
    ADD COLUMN tax_included      boolean NOT NULL DEFAULT false,
    -- What earlier invoices left for this one, and what this one leaves for the next; below zero: in the customer's favour.
    ADD COLUMN carried_in_minor  bigint NOT NULL DEFAULT 0,
    ADD COLUMN carried_out_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN paid_minor        bigint NOT NULL DEFAULT 0,
    ADD COLUMN credited_minor    bigint NOT NULL DEFAULT 0,
    ADD COLUMN refunded_minor    bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT invoice_total CHECK (total_minor = subtotal_minor - discount_minor + CASE WHEN tax_included THEN 0 ELSE tax_minor END
        - credits_applied_minor + carried_in_minor - carried_out_minor),
    ADD CONSTRAINT invoice_paid CHECK (paid_minor BETWEEN 0 AND total_minor),
    ADD CONSTRAINT invoice_credited CHECK (credited_minor BETWEEN 0 AND total_minor),
    ADD CONSTRAINT invoice_refunded CHECK (refunded_minor BETWEEN 0 AND paid_minor);

CREATE OR REPLACE FUNCTION freeze_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.document_state = 'draft' THEN RETURN NEW; END IF;
    IF (NEW.id, NEW.account_id, NEW.period_id, NEW.number, NEW.currency, NEW.buyer_name, NEW.buyer_email, NEW.subtotal_minor,
        NEW.credits_applied_minor, NEW.total_minor, NEW.snapshot, NEW.period_starts_at, NEW.period_ends_at, NEW.issued_at,
        NEW.discount_minor, NEW.tax_minor, NEW.tax_included, NEW.carried_in_minor, NEW.carried_out_minor, NEW.created_at)
       IS DISTINCT FROM
       (OLD.id, OLD.account_id, OLD.period_id, OLD.number, OLD.currency, OLD.buyer_name, OLD.buyer_email, OLD.subtotal_minor,
        OLD.credits_applied_minor, OLD.total_minor, OLD.snapshot, OLD.period_starts_at, OLD.period_ends_at, OLD.issued_at,
        OLD.discount_minor, OLD.tax_minor, OLD.tax_included, OLD.carried_in_minor, OLD.carried_out_minor, OLD.created_at) THEN
        RAISE EXCEPTION 'invoice % is issued and frozen', OLD.number USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    -- Withdrawn and given up are ends.
    IF NEW.document_state = 'draft' OR (OLD.document_state <> 'open' AND NEW.document_state <> OLD.document_state) THEN
        RAISE EXCEPTION 'invoice % cannot become % from %', OLD.number, NEW.document_state, OLD.document_state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- No line is added to what is issued.
CREATE FUNCTION refuse_late_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT document_state FROM invoice WHERE id = NEW.invoice_id) = 'draft' THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'issued invoices are frozen' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER invoice_line_in_time BEFORE INSERT ON invoice_line FOR EACH ROW EXECUTE FUNCTION refuse_late_line();

ALTER TABLE invoice_line DROP CONSTRAINT invoice_line_kind_check;
ALTER TABLE invoice_line ADD CONSTRAINT invoice_line_kind_check
    CHECK (kind IN ('base_fee', 'usage', 'volume', 'minimum', 'proration', 'one_off'));

ALTER TABLE payment
    ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0,
    -- `stripe`; or `transfer`, money that an operator saw elsewhere.
    ADD COLUMN method         text NOT NULL DEFAULT 'stripe' CHECK (method IN ('stripe', 'transfer')),
    ADD CONSTRAINT payment_refunded CHECK (refunded_minor BETWEEN 0 AND amount_minor);

-- A correction of an issued invoice, by a document of its own.
ALTER TABLE account ADD COLUMN next_credit_note_number bigint NOT NULL DEFAULT 1;
CREATE TABLE credit_note (
    id               uuid PRIMARY KEY,
    account_id       uuid NOT NULL REFERENCES account,
    invoice_id       uuid NOT NULL REFERENCES invoice,
    number           text NOT NULL,
    reason           text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    currency         text NOT NULL,
    -- With the tax in it.
    amount_minor     bigint NOT NULL CHECK (amount_minor > 0),
    tax_minor        bigint NOT NULL,
    -- What it takes off what was still to pay; the rest goes back as said by `settlement`.
    unpaid_minor     bigint NOT NULL CHECK (unpaid_minor >= 0),
    settlement       text NOT NULL CHECK (settlement IN ('refund', 'credit', 'none')),
    -- Of what goes back: `pending` until the money is on its way.
    refund_state     text NOT NULL CHECK (refund_state IN ('none', 'pending', 'done')),
    stripe_refund_id text UNIQUE,
    created_by       text NOT NULL,
    created_at       timestamptz NOT NULL,
    UNIQUE (account_id, number),
    CHECK ((settlement = 'none') = (unpaid_minor = amount_minor))
);
CREATE INDEX credit_note_invoice ON credit_note (invoice_id);
CREATE FUNCTION freeze_credit_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (to_jsonb(NEW) - '{refund_state,stripe_refund_id}'::text[]) <> (to_jsonb(OLD) - '{refund_state,stripe_refund_id}'::text[]) THEN
        RAISE EXCEPTION 'credit note % is issued and frozen', OLD.number USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER credit_note_frozen BEFORE UPDATE OR DELETE ON credit_note FOR EACH ROW EXECUTE FUNCTION freeze_credit_note();

-- Who did what to whom, and why. Append only.
CREATE TABLE audit_log (
    id         uuid PRIMARY KEY,
    account_id uuid REFERENCES account,
    -- `operator`, or a member's id.
    actor      text NOT NULL,
    action     text NOT NULL,
    -- What was acted on: the outside form of its id.
    subject    text NOT NULL,
    reason     text NOT NULL,
    detail     jsonb NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX audit_log_account ON audit_log (account_id, id);
CREATE TRIGGER audit_log_immutable BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The nightly self-audit: issued invoices that were rated again, and what of them differed.
CREATE TABLE invoice_audit (
    invoice_id uuid PRIMARY KEY REFERENCES invoice,
    at         timestamptz NOT NULL,
    -- NULL: the same bytes.
    difference text
);
