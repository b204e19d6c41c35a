-- Plans as immutable versions, who subscribes to which, and the billing periods that follow from it.
CREATE TABLE plan (
    id   uuid PRIMARY KEY,
    code text NOT NULL UNIQUE
);

CREATE TABLE plan_version (
    id                  uuid PRIMARY KEY,
    plan_id             uuid NOT NULL REFERENCES plan,
    version             int NOT NULL,
    name                text NOT NULL,
    description         text NOT NULL,
    currency            text NOT NULL,
    -- Due for each period from the first paid top-up on; before it an account is on trial.
    base_fee_minor      bigint NOT NULL CHECK (base_fee_minor >= 0),
    signup_credit_nanos bigint NOT NULL CHECK (signup_credit_nanos >= 0),
    requests_per_minute int NOT NULL CHECK (requests_per_minute > 0),
    -- SHA-256 of the canonical catalogue text: an unchanged plan makes no new version.
    digest              bytea NOT NULL,
    created_at          timestamptz NOT NULL,
    UNIQUE (plan_id, version)
);

CREATE TABLE price (
    id              uuid PRIMARY KEY,
    plan_version_id uuid NOT NULL REFERENCES plan_version,
    meter           text NOT NULL CHECK (meter IN ('images')),
    task            text NOT NULL CHECK (task IN ('detect', 'classify', 'embed')),
    description     text NOT NULL,
    -- [{"up_to": 1000, "unit_nanos": 1500000}, {"unit_nanos": 1000000}]: graduated; the last tier has no bound.
    tiers           jsonb NOT NULL,
    UNIQUE (plan_version_id, meter, task)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are immutable', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER plan_version_immutable BEFORE UPDATE OR DELETE ON plan_version FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER price_immutable BEFORE UPDATE OR DELETE ON price FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE subscription (
    id              uuid PRIMARY KEY,
    account_id      uuid NOT NULL REFERENCES account,
    plan_version_id uuid NOT NULL REFERENCES plan_version,
    started_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    EXCLUDE USING gist (account_id WITH =, tstzrange(started_at, ended_at) WITH &&)
);

CREATE TABLE period (
    id              uuid PRIMARY KEY,
    account_id      uuid NOT NULL REFERENCES account,
    subscription_id uuid NOT NULL REFERENCES subscription,
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,
    state           text NOT NULL CHECK (state IN ('open', 'closed')),
    CHECK (starts_at < ends_at),
    EXCLUDE USING gist (account_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
);
CREATE UNIQUE INDEX period_one_open ON period (account_id) WHERE state = 'open';
