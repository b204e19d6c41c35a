-- The events $6 to $7 of an account: as many, and everything that sums them up, as if the writer had written them one by one.
WITH made AS (
    INSERT INTO usage_event (id, account_id, key_id, period_id, price_id, task, model, model_version, request_id, quantity,
                             quantity_before, amount_nanos, pixels, compute_us, at)
    SELECT -- A UUIDv7: 48 bits of milliseconds, the version, the variant, and the number, so that none comes twice.
           (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0')
            || '8' || lpad(to_hex(n), 15, '0'))::uuid,
           $1, ($2::uuid[])[1 + n % cardinality($2::uuid[])], $3, $4, 'detect', 'elements', '1', gen_random_uuid(), 1, n, $5, 307200, 12000, at
    FROM generate_series($6::bigint, $7::bigint - 1) AS n,
         LATERAL (SELECT $8::timestamptz + n * $9::bigint * interval '1 microsecond' AS at) AS instant
    RETURNING key_id, model, date_trunc('hour', at, 'UTC') AS hour, quantity, amount_nanos
), summed AS (
    INSERT INTO usage_rollup AS r (account_id, period_id, price_id, key_id, model, hour, events, quantity, amount_nanos)
    SELECT $1, $3, $4, key_id, model, hour, count(*), sum(quantity), sum(amount_nanos) FROM made GROUP BY key_id, model, hour
    ON CONFLICT (account_id, period_id, price_id, key_id, model, hour) DO UPDATE
    SET events = r.events + excluded.events, quantity = r.quantity + excluded.quantity, amount_nanos = r.amount_nanos + excluded.amount_nanos
), counted AS (
    INSERT INTO usage_counter AS c (period_id, price_id, quantity) SELECT $3, $4, $7::bigint - $6::bigint
    ON CONFLICT (period_id, price_id) DO UPDATE SET quantity = c.quantity + excluded.quantity
)
UPDATE balance SET debits = debits + ($7::bigint - $6::bigint) * $5::bigint WHERE id = $1
