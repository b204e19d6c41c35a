-- Nested limits in one shape: the credit of an account, its cap per billing period, the budgets of its keys. Each is a row of
-- `balance`, whose CHECK is the guarantee; windows are rows of their own, so a new day needs no reset.

-- What customers set. Absent: no limit.
CREATE TABLE spend_limit (
    account_id uuid NOT NULL REFERENCES account,
    scope      text NOT NULL CHECK (scope IN ('period', 'month', 'week', 'day')),
    -- The account for `period`, a key for the others.
    scope_id   uuid NOT NULL,
    amount     bigint NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (scope, scope_id)
);
CREATE INDEX spend_limit_account ON spend_limit (account_id);

ALTER TABLE lease DROP CONSTRAINT lease_account_id_fkey;
ALTER TABLE lease RENAME COLUMN account_id TO balance_id;
ALTER INDEX lease_account RENAME TO lease_balance;

ALTER TABLE balance DROP CONSTRAINT balance_pkey;
ALTER TABLE balance
    ADD COLUMN id uuid,
    ADD COLUMN scope text NOT NULL DEFAULT 'credit' CHECK (scope IN ('credit', 'period', 'month', 'week', 'day')),
    -- The account for `credit`, the billing period for `period`, the key for the others.
    ADD COLUMN scope_id uuid,
    -- Start of the day, week or month, UTC. The others have none.
    ADD COLUMN window_start timestamptz NOT NULL DEFAULT 'epoch',
    -- Raised to make all leases of the row invalid at once.
    ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
UPDATE balance SET id = account_id, scope_id = account_id;
ALTER TABLE balance
    ALTER COLUMN id SET NOT NULL,
    ALTER COLUMN scope_id SET NOT NULL,
    ADD PRIMARY KEY (id),
    ADD UNIQUE (scope, scope_id, window_start),
    -- The credit of an account is found by the account's id.
    ADD CONSTRAINT balance_credit_id CHECK (scope <> 'credit' OR (id = account_id AND scope_id = account_id));
CREATE INDEX balance_account ON balance (account_id);

ALTER TABLE lease
    ADD CONSTRAINT lease_balance_id_fkey FOREIGN KEY (balance_id) REFERENCES balance,
    -- Of the balance when the lease was taken: a lease of another epoch is void.
    ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
    -- When another replica asked for what is not in use; NULL again once that was given back.
    ADD COLUMN recalled_at timestamptz;

-- Sums of a window: reports, and what a new budget finds already spent.
CREATE INDEX usage_rollup_hour ON usage_rollup (account_id, hour);
