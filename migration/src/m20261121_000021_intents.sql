-- When Stripe was first asked under the key, whatever attempt it is now: a charge that failed since then was this one.
ALTER TABLE stripe_intent ADD COLUMN first_sent_at timestamptz;
UPDATE stripe_intent SET first_sent_at = sent_at;
ALTER TABLE stripe_intent ALTER COLUMN first_sent_at SET NOT NULL;
