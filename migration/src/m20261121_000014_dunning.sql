-- Who the buyer is on paper and in which language, the schedule of an unpaid invoice, and the warnings a customer asked for.
ALTER TABLE account
    ADD COLUMN locale        text NOT NULL DEFAULT 'en' CHECK (locale IN ('en', 'zh')),
    -- A name of the IANA database.
    ADD COLUMN time_zone     text NOT NULL DEFAULT 'UTC',
    ADD COLUMN address_line1 text NOT NULL DEFAULT '' CHECK (length(address_line1) <= 200),
    ADD COLUMN address_line2 text NOT NULL DEFAULT '' CHECK (length(address_line2) <= 200),
    ADD COLUMN postal_code   text NOT NULL DEFAULT '' CHECK (length(postal_code) <= 20),
    ADD COLUMN city          text NOT NULL DEFAULT '' CHECK (length(city) <= 100),
    -- ISO 3166-1 alpha-2; NULL: not told.
    ADD COLUMN country       text CHECK (country ~ '^[A-Z]{2}$'),
    -- The buyer's VAT id, without spaces and in capitals; NULL: none.
    ADD COLUMN tax_id        text CHECK (tax_id ~ '^[A-Z0-9]{4,20}$'),
    -- Whether invoices carry their data as EN 16931 XML (Factur-X).
    ADD COLUMN e_invoice     boolean NOT NULL DEFAULT false;

-- An issued invoice whose charge failed, from the first failure until it is settled. Times are the account's own.
CREATE TABLE dunning (
    invoice_id uuid PRIMARY KEY REFERENCES invoice,
    account_id uuid NOT NULL REFERENCES account,
    started_at timestamptz NOT NULL,
    -- Charges that failed, and the last of them that the customer was told of.
    failures   int NOT NULL CHECK (failures > 0),
    told       int NOT NULL DEFAULT 0 CHECK (told BETWEEN 0 AND failures),
    -- The next retry, or the suspension after the last; NULL: suspended, nothing more comes by itself.
    next_at    timestamptz
);
CREATE INDEX dunning_account ON dunning (account_id);
CREATE INDEX dunning_next ON dunning (next_at) WHERE next_at IS NOT NULL;

-- What the customer expects to spend in a billing period. Nothing is refused beyond it: that is what a cap is for.
ALTER TABLE account ADD COLUMN budget_nanos bigint CHECK (budget_nanos > 0);

-- Warnings that a customer asked for, each told once per crossing.
CREATE TABLE alert (
    account_id      uuid NOT NULL REFERENCES account,
    kind            text NOT NULL CHECK (kind IN ('spend', 'credit')),
    -- `spend`: per cent of the budget, or of the cap where there is no budget. `credit`: nanos of credit that is left.
    threshold       bigint NOT NULL CHECK (threshold > 0 AND (kind <> 'spend' OR threshold <= 1000)),
    -- The period in which it was crossed and told of; NULL again when the amount is back on the other side.
    fired_period_id uuid REFERENCES period,
    PRIMARY KEY (account_id, kind, threshold)
);
