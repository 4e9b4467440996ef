-- One row: why the run must stop, as a word; null when it may go on.
SELECT
    CASE
        WHEN root.attempt <> %(attempt)s THEN 'lost'
        WHEN root.superseded_by IS NOT NULL THEN 'superseded'
        WHEN part.token IS NOT NULL AND (held.token IS DISTINCT FROM part.token OR held.run_id IS DISTINCT FROM part.id) THEN 'superseded'
        WHEN %(cancellable)s AND root.cancelled_by IS NOT NULL THEN 'cancelled'
    END AS why
FROM ue.runs AS root
JOIN ue.runs AS part ON part.id = %(part)s
LEFT JOIN ue.service_locks AS held ON held.service = part.service
WHERE root.id = %(root)s
