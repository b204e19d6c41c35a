-- Accounts with an alert that was crossed and not told, or told and not crossed any more. Looked at again under a lock.
WITH spent AS (
    SELECT p.account_id, p.id AS period_id, coalesce(sum(r.amount_nanos), 0)::numeric AS amount
    FROM period p LEFT JOIN usage_rollup r ON r.account_id = p.account_id AND r.period_id = p.id
    WHERE p.state = 'open' AND p.account_id IN (SELECT account_id FROM alert)
    GROUP BY p.account_id, p.id
)
SELECT DISTINCT a.account_id
FROM alert a
JOIN account c ON c.id = a.account_id
JOIN spent s ON s.account_id = a.account_id
JOIN balance b ON b.id = a.account_id
LEFT JOIN spend_limit l ON l.scope = 'period' AND l.scope_id = a.account_id
WHERE CASE a.kind
    WHEN 'spend' THEN (s.amount * 100 >= coalesce(c.budget_nanos, l.amount)::numeric * a.threshold) IS TRUE
                      <> (a.fired_period_id IS NOT DISTINCT FROM s.period_id)
    ELSE (b.credits - b.debits < a.threshold) <> (a.fired_period_id IS NOT NULL)
END
