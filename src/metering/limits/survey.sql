-- Ends the leases on a balance ($1, of epoch $2) that ran out, are of another epoch or are used no more ($5), and says of the
-- others what they promise. $3 is the lease of who asks. One instant for both parts: what is not deleted is counted. Sums of
-- leases that somebody edited may not fit a bigint: they are cut to the largest, which is still more than any balance has.
WITH ended AS (
    DELETE FROM lease WHERE balance_id = $1 AND (expires_at <= statement_timestamp() OR epoch <> $2 OR id = ANY($5))
)
SELECT least(coalesce(sum(amount - used), 0), 9223372036854775807)::bigint AS promised,
       coalesce(bool_or(id = $3), false) AS alive,
       least(coalesce(sum(amount - used) FILTER (WHERE other AND NOT mute), 0), 9223372036854775807)::bigint AS elsewhere,
       coalesce(bool_or(other AND NOT mute AND recalled_at IS NOT NULL), false) AS awaited
FROM (
    SELECT *, id IS DISTINCT FROM $3 AS other,
           -- Asked to give back so long ago that nobody will answer.
           coalesce(recalled_at < statement_timestamp() - $4 * interval '1 millisecond', false) AS mute
    FROM lease WHERE balance_id = $1 AND expires_at > statement_timestamp() AND epoch = $2 AND NOT id = ANY($5)
) live
