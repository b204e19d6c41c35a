-- The books: TigerBeetle's shape. A transfer has a debit and a credit, so the sum over all accounts is always zero.
CREATE TABLE ledger_account (
    id         uuid PRIMARY KEY,
    -- NULL: ours. Otherwise the customer's.
    account_id uuid REFERENCES account,
    code       text NOT NULL CHECK (code IN ('cash', 'promotion', 'credit', 'receivable', 'revenue', 'rounding')),
    currency   text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (account_id, code, currency)
);

CREATE TABLE transfer (
    id                uuid PRIMARY KEY,
    kind              text NOT NULL,
    reference         text NOT NULL,
    debit_account_id  uuid NOT NULL REFERENCES ledger_account,
    credit_account_id uuid NOT NULL REFERENCES ledger_account,
    amount_nanos      bigint NOT NULL CHECK (amount_nanos > 0),
    at                timestamptz NOT NULL,
    CHECK (debit_account_id <> credit_account_id),
    -- The same business fact cannot be booked twice.
    UNIQUE (kind, reference)
);
CREATE INDEX transfer_debit ON transfer (debit_account_id);
CREATE INDEX transfer_credit ON transfer (credit_account_id);
CREATE TRIGGER transfer_immutable BEFORE UPDATE OR DELETE ON transfer FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE credit_grant (
    id              uuid PRIMARY KEY,
    account_id      uuid NOT NULL REFERENCES account,
    kind            text NOT NULL CHECK (kind IN ('paid', 'promotional')),
    reference       text NOT NULL,
    amount_nanos    bigint NOT NULL CHECK (amount_nanos > 0),
    -- Burnt when a period closes: promotional first, then the oldest.
    remaining_nanos bigint NOT NULL CHECK (remaining_nanos BETWEEN 0 AND amount_nanos),
    created_at      timestamptz NOT NULL,
    UNIQUE (kind, reference)
);
CREATE INDEX credit_grant_account ON credit_grant (account_id);

CREATE TABLE top_up (
    id                       uuid PRIMARY KEY,
    account_id               uuid NOT NULL REFERENCES account,
    amount_minor             bigint NOT NULL CHECK (amount_minor > 0),
    state                    text NOT NULL CHECK (state IN ('pending', 'paid', 'expired')),
    stripe_session_id        text UNIQUE,
    checkout_url             text,
    stripe_payment_intent_id text UNIQUE,
    created_at               timestamptz NOT NULL,
    paid_at                  timestamptz
);
CREATE INDEX top_up_account ON top_up (account_id, id);
