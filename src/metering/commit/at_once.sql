-- lock.sql and write.sql in one statement, for a batch whose amounts are computed already. $1 to $35 as in write.sql; $36 and $37
-- what is locked; $38 to $41 what is counted, and what the counters stand at afterwards; $42 and $43 what credit stands at before.
--
-- Other than in a transaction of two statements, what the snapshot shows is older than the locks: every row that matters
-- is read by locking or writing it, which reads its newest version, and never by a plain join.
WITH open AS MATERIALIZED (
    SELECT id, state FROM period WHERE id = ANY($36::uuid[]) ORDER BY id FOR SHARE
), locked AS MATERIALIZED (
    SELECT id, epoch, credits - debits AS remaining FROM balance
    WHERE id = ANY($37::uuid[]) AND (SELECT count(*) FROM open) >= 0
    ORDER BY account_id, scope <> 'credit', window_start, id FOR UPDATE
), counted AS (
    INSERT INTO usage_counter AS c (period_id, price_id, quantity)
    SELECT * FROM UNNEST($38::uuid[], $39::uuid[], $40::bigint[]) WHERE (SELECT count(*) FROM locked) >= 0
    ON CONFLICT (period_id, price_id) DO UPDATE SET quantity = c.quantity + excluded.quantity
    RETURNING period_id, price_id, quantity
), settled AS (
    UPDATE lease SET used = used + spent.amount FROM UNNEST($1::uuid[], $2::bigint[]) AS spent(id, amount), locked
    WHERE lease.id = spent.id AND lease.expires_at > clock_timestamp() AND lease.used + spent.amount <= lease.amount
      AND locked.id = lease.balance_id AND locked.epoch = lease.epoch
    RETURNING lease.id, lease.balance_id, spent.amount
), debited AS (
    UPDATE balance SET held = held - sums.amount, debits = debits + sums.amount
    FROM (SELECT balance_id, sum(amount)::bigint AS amount FROM settled GROUP BY balance_id) sums WHERE balance.id = sums.balance_id
), written AS (
    INSERT INTO usage_event (id, account_id, key_id, period_id, price_id, request_id, task, model, model_version,
                             quantity, quantity_before, amount_nanos, pixels, compute_us, at)
    SELECT * FROM UNNEST($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::text[],
                         $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::timestamptz[])
    WHERE (SELECT count(*) FROM locked) >= 0
), summed AS (
    INSERT INTO usage_rollup AS r (account_id, period_id, price_id, key_id, model, hour, events, quantity, amount_nanos, digest)
    SELECT * FROM UNNEST($18::uuid[], $19::uuid[], $20::uuid[], $21::uuid[], $22::text[], $23::timestamptz[],
                         $24::bigint[], $25::bigint[], $26::bigint[], $27::text[]::numeric[])
    WHERE (SELECT count(*) FROM locked) >= 0
    ON CONFLICT (account_id, period_id, price_id, key_id, model, hour) DO UPDATE
    SET events = r.events + excluded.events, quantity = r.quantity + excluded.quantity, amount_nanos = r.amount_nanos + excluded.amount_nanos,
        digest = (r.digest + excluded.digest) % 115792089237316195423570985008687907853269984665640564039457584007913129639936
), recorded AS (
    INSERT INTO idempotency AS old (account_id, event_id, key, route, fingerprint, answer, created_at, expires_at)
    SELECT * FROM UNNEST($28::uuid[], $29::uuid[], $30::text[], $31::text[], $32::bytea[], $33::bytea[], $34::timestamptz[], $35::timestamptz[])
    WHERE (SELECT count(*) FROM locked) >= 0
    ON CONFLICT (account_id, key) DO UPDATE SET event_id = excluded.event_id, route = excluded.route, fingerprint = excluded.fingerprint,
        answer = excluded.answer, created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE old.expires_at <= excluded.created_at
    RETURNING event_id
)
-- All as it was foretold, or division by zero, which undoes the statement.
SELECT 1 / (
    (SELECT count(*) FROM open WHERE state = 'open') = cardinality($36::uuid[])
    AND (SELECT count(*) FROM counted JOIN UNNEST($38::uuid[], $39::uuid[], $41::bigint[]) AS after(period_id, price_id, quantity)
         USING (period_id, price_id, quantity)) = cardinality($38::uuid[])
    AND (SELECT count(*) FROM locked JOIN UNNEST($42::uuid[], $43::bigint[]) AS before(id, remaining)
         USING (id, remaining)) = cardinality($42::uuid[])
    AND (SELECT count(*) FROM settled) = cardinality($1::uuid[])
    AND (SELECT count(*) FROM recorded) = cardinality($28::uuid[])
)::int
