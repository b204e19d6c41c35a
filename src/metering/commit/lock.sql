-- Takes the locks of a batch, each waiting for the ones before it, and says what stands there.
--
-- Everyone takes them in this order, so that no two batches can wait for each other: periods, balances, and then what
-- belongs to them (leases, counters, rollups, records: of one account, so under the lock of its credit).
WITH open AS MATERIALIZED (
    -- Against closing: an event is either in the period or after its cut. The state is looked at afterwards: asked for here, it
    -- would have the index of all open periods read, of every account.
    SELECT id, state FROM period WHERE id = ANY($1) ORDER BY id FOR SHARE
), locked AS MATERIALIZED (
    SELECT id, credits - debits AS remaining FROM balance
    WHERE id = ANY($2) AND (SELECT count(*) FROM open) >= 0
    -- The credit of an account before its cap and its budgets.
    ORDER BY account_id, scope <> 'credit', window_start, id FOR UPDATE
), counted AS (
    INSERT INTO usage_counter AS c (period_id, price_id, quantity)
    SELECT * FROM UNNEST($3::uuid[], $4::uuid[], $5::bigint[]) WHERE (SELECT count(*) FROM locked) >= 0
    ON CONFLICT (period_id, price_id) DO UPDATE SET quantity = c.quantity + excluded.quantity
    RETURNING period_id, price_id, quantity
)
SELECT 'period' AS kind, id, NULL::uuid AS price_id, NULL::bigint AS number FROM open WHERE state = 'open'
UNION ALL SELECT 'balance', id, NULL, remaining FROM locked
UNION ALL SELECT 'counter', period_id, price_id, quantity FROM counted
