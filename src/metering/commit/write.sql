-- Writes a batch whose locks are held, and says which leases were live and which records are new.
WITH spent AS (
    SELECT * FROM UNNEST($1::uuid[], $2::bigint[]) AS spent(id, amount)
), settled AS (
    -- The fence. The database's clock decides when a lease ends: replicas' clocks may differ.
    UPDATE lease SET used = used + spent.amount FROM spent, balance
    WHERE lease.id = spent.id AND lease.expires_at > clock_timestamp() AND lease.used + spent.amount <= lease.amount
      AND balance.id = lease.balance_id AND balance.epoch = lease.epoch
    RETURNING lease.id, lease.balance_id, spent.amount
), debited AS (
    UPDATE balance SET held = held - sums.amount, debits = debits + sums.amount
    FROM (SELECT balance_id, sum(amount)::bigint AS amount FROM settled GROUP BY balance_id) sums WHERE balance.id = sums.balance_id
), written AS (
    INSERT INTO usage_event (id, account_id, key_id, period_id, price_id, request_id, task, model, model_version,
                             quantity, quantity_before, amount_nanos, pixels, compute_us, at)
    SELECT * FROM UNNEST($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::text[],
                         $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::timestamptz[])
), summed AS (
    INSERT INTO usage_rollup AS r (account_id, period_id, price_id, key_id, model, hour, events, quantity, amount_nanos, digest)
    SELECT * FROM UNNEST($18::uuid[], $19::uuid[], $20::uuid[], $21::uuid[], $22::text[], $23::timestamptz[],
                         $24::bigint[], $25::bigint[], $26::bigint[], $27::text[]::numeric[])
    ON CONFLICT (account_id, period_id, price_id, key_id, model, hour) DO UPDATE
    SET events = r.events + excluded.events, quantity = r.quantity + excluded.quantity, amount_nanos = r.amount_nanos + excluded.amount_nanos,
        -- Modulo 2^256.
        digest = (r.digest + excluded.digest) % 115792089237316195423570985008687907853269984665640564039457584007913129639936
), recorded AS (
    -- A key whose time is over may be used anew; a live one stays as it is, which makes this call the second.
    INSERT INTO idempotency AS old (account_id, event_id, key, route, fingerprint, answer, created_at, expires_at)
    SELECT * FROM UNNEST($28::uuid[], $29::uuid[], $30::text[], $31::text[], $32::bytea[], $33::bytea[], $34::timestamptz[], $35::timestamptz[])
    ON CONFLICT (account_id, key) DO UPDATE SET event_id = excluded.event_id, route = excluded.route, fingerprint = excluded.fingerprint,
        answer = excluded.answer, created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE old.expires_at <= excluded.created_at
    RETURNING event_id
)
SELECT id FROM settled UNION ALL SELECT event_id FROM recorded
