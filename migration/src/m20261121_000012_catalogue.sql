-- Prices of every shape, what they apply to, and subscriptions that change.

-- 'graduated' is what tiers meant so far. Counted units are divided by `per` (a package's size, a million tokens, the
-- microseconds of a second), after the included ones.
ALTER TABLE price
    ADD COLUMN scheme        text NOT NULL DEFAULT 'graduated' CHECK (scheme IN ('flat', 'unit', 'graduated', 'volume', 'package')),
    -- NULL: every one that has no price of its own.
    ADD COLUMN model         text,
    ADD COLUMN megapixels    text CHECK (megapixels IN ('0.25', '0.5', '1', '2', '4', '8', '8+')),
    ADD COLUMN per           bigint NOT NULL DEFAULT 1 CHECK (per > 0),
    ADD COLUMN included      bigint NOT NULL DEFAULT 0 CHECK (included >= 0),
    ADD COLUMN minimum_nanos bigint NOT NULL DEFAULT 0 CHECK (minimum_nanos >= 0),
    ADD COLUMN maximum_nanos bigint CHECK (maximum_nanos >= minimum_nanos),
    ALTER COLUMN task DROP NOT NULL,
    DROP CONSTRAINT price_meter_check,
    ADD CONSTRAINT price_meter_check CHECK (meter IN ('calls', 'images', 'tokens_in', 'tokens_out', 'compute_time')),
    DROP CONSTRAINT price_plan_version_id_meter_task_key,
    -- One meter prices a call: the most specific of those that fit, and no two are equally specific.
    ADD CONSTRAINT price_one_per_place UNIQUE NULLS NOT DISTINCT (plan_version_id, task, model, megapixels);

ALTER TABLE plan_version
    -- Periods from the day the account began, or calendar months.
    ADD COLUMN billing    text NOT NULL DEFAULT 'anniversary' CHECK (billing IN ('anniversary', 'calendar')),
    -- Days from an account's first subscription on for which no fee and no minimum is due.
    ADD COLUMN trial_days int NOT NULL DEFAULT 0 CHECK (trial_days BETWEEN 0 AND 366),
    -- Whether customers may choose it themselves.
    ADD COLUMN listed     boolean NOT NULL DEFAULT true;

ALTER TABLE subscription
    -- Anniversaries are counted from it. It stays when the plan changes.
    ADD COLUMN anchor        timestamptz,
    -- In which days begin; of the account when the subscription began, so that a period has one.
    ADD COLUMN time_zone     text NOT NULL DEFAULT 'UTC',
    ADD COLUMN trial_ends_at timestamptz,
    ADD COLUMN end_reason    text CHECK (end_reason IN ('changed', 'canceled', 'paused')),
    -- What happens when the open period ends.
    ADD COLUMN at_period_end text CHECK (at_period_end IN ('change', 'cancel', 'pause')),
    ADD COLUMN next_plan_version_id uuid REFERENCES plan_version,
    ADD CONSTRAINT subscription_end_reason CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    ADD CONSTRAINT subscription_next_plan CHECK ((next_plan_version_id IS NULL) = (at_period_end IS DISTINCT FROM 'change')),
    ADD CONSTRAINT subscription_over CHECK (ended_at IS NULL OR at_period_end IS NULL);
UPDATE subscription SET anchor = started_at;
ALTER TABLE subscription ALTER COLUMN anchor SET NOT NULL;

-- The whole billing cycle that a period is a part of: what its share of the fee is counted from.
ALTER TABLE period
    ADD COLUMN cycle_starts_at timestamptz,
    ADD COLUMN cycle_ends_at   timestamptz;
UPDATE period SET cycle_starts_at = starts_at, cycle_ends_at = ends_at;
ALTER TABLE period
    ALTER COLUMN cycle_starts_at SET NOT NULL,
    ALTER COLUMN cycle_ends_at SET NOT NULL,
    ADD CONSTRAINT period_in_cycle CHECK (cycle_starts_at <= starts_at AND ends_at <= cycle_ends_at);
