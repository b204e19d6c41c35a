-- Jobs by what they are about: a simulated clock waits for those of its account.
CREATE INDEX queue_job_subject ON queue_job (split_part(key, ':', 1)) WHERE key IS NOT NULL;
