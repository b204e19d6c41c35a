-- Invoices: a draft is built once from a closed period, then issued and frozen.
CREATE TABLE invoice (
    id                    uuid PRIMARY KEY,
    account_id            uuid NOT NULL REFERENCES account,
    period_id             uuid NOT NULL REFERENCES period,
    number                text,
    document_state        text NOT NULL CHECK (document_state IN ('draft', 'open', 'void', 'uncollectible')),
    payment_state         text NOT NULL CHECK (payment_state IN ('unpaid', 'processing', 'partial', 'paid', 'refunded')),
    currency              text NOT NULL,
    buyer_name            text NOT NULL,
    buyer_email           text NOT NULL,
    subtotal_minor        bigint NOT NULL,
    credits_applied_minor bigint NOT NULL,
    total_minor           bigint NOT NULL CHECK (total_minor >= 0),
    -- Everything a reader needs to compute the same document again: prices, period, seller.
    snapshot              jsonb NOT NULL,
    stripe_invoice_id     text UNIQUE,
    stripe_hosted_url     text,
    period_starts_at      timestamptz NOT NULL,
    period_ends_at        timestamptz NOT NULL,
    created_at            timestamptz NOT NULL,
    issued_at             timestamptz,
    paid_at               timestamptz,
    CHECK (total_minor = subtotal_minor - credits_applied_minor),
    CHECK (document_state = 'draft' OR (number IS NOT NULL AND issued_at IS NOT NULL)),
    UNIQUE (account_id, number)
);
CREATE UNIQUE INDEX invoice_one_per_period ON invoice (period_id) WHERE document_state <> 'void';
CREATE INDEX invoice_account ON invoice (account_id, id);

CREATE TABLE invoice_line (
    id             uuid PRIMARY KEY,
    invoice_id     uuid NOT NULL REFERENCES invoice,
    seq            int NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('base_fee', 'usage')),
    description    text NOT NULL,
    price_id       uuid REFERENCES price,
    quantity       bigint NOT NULL,
    exact_nanos    bigint NOT NULL,
    amount_minor   bigint NOT NULL,
    -- amount_minor in nanos minus exact_nanos: the residue that is booked to `rounding`.
    rounding_nanos bigint NOT NULL,
    events         bigint NOT NULL,
    -- SHA-256 over the line's events in order of id.
    events_digest  bytea NOT NULL,
    UNIQUE (invoice_id, seq)
);

CREATE TABLE invoice_document (
    invoice_id uuid PRIMARY KEY REFERENCES invoice,
    pdf        bytea NOT NULL,
    sha256     bytea NOT NULL
);
CREATE TRIGGER invoice_document_immutable BEFORE UPDATE OR DELETE ON invoice_document FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What an issued invoice says cannot change any more; only how it is paid can.
CREATE FUNCTION freeze_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.document_state = 'draft' THEN RETURN NEW; END IF;
    IF (NEW.account_id, NEW.period_id, NEW.number, NEW.currency, NEW.buyer_name, NEW.buyer_email, NEW.subtotal_minor,
        NEW.credits_applied_minor, NEW.total_minor, NEW.snapshot, NEW.period_starts_at, NEW.period_ends_at, NEW.issued_at)
       IS DISTINCT FROM
       (OLD.account_id, OLD.period_id, OLD.number, OLD.currency, OLD.buyer_name, OLD.buyer_email, OLD.subtotal_minor,
        OLD.credits_applied_minor, OLD.total_minor, OLD.snapshot, OLD.period_starts_at, OLD.period_ends_at, OLD.issued_at)
       OR NEW.document_state = 'draft' THEN
        RAISE EXCEPTION 'invoice % is issued and frozen', OLD.number USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invoice_frozen BEFORE UPDATE ON invoice FOR EACH ROW EXECUTE FUNCTION freeze_invoice();

CREATE FUNCTION refuse_issued_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'invoice' THEN
        IF OLD.document_state = 'draft' THEN RETURN OLD; END IF;
    ELSIF (SELECT document_state FROM invoice WHERE id = OLD.invoice_id) = 'draft' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'issued invoices are frozen' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER invoice_kept BEFORE DELETE ON invoice FOR EACH ROW EXECUTE FUNCTION refuse_issued_invoice();
CREATE TRIGGER invoice_line_frozen BEFORE UPDATE OR DELETE ON invoice_line FOR EACH ROW EXECUTE FUNCTION refuse_issued_invoice();

CREATE TABLE payment (
    id                       uuid PRIMARY KEY,
    account_id               uuid NOT NULL REFERENCES account,
    invoice_id               uuid NOT NULL REFERENCES invoice,
    stripe_payment_reference text NOT NULL UNIQUE,
    amount_minor             bigint NOT NULL CHECK (amount_minor >= 0),
    at                       timestamptz NOT NULL
);

CREATE TABLE stripe_inbox (
    event_id    text PRIMARY KEY,
    kind        text NOT NULL,
    object_id   text NOT NULL,
    payload     jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    done_at     timestamptz
);
