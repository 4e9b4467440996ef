-- The journal has the line, if the claim is good. One row: whether it is.
WITH claimed AS (
    SELECT id FROM ue.runs WHERE id = %(root)s AND attempt = %(attempt)s FOR NO KEY UPDATE
),
written AS (
    INSERT INTO ue.journal (key, run_id, kind, step, message, data)
    SELECT %(key)s, %(run)s, %(kind)s, %(step)s, %(message)s, %(data)s
    FROM claimed, pg_advisory_xact_lock(%(turn)s + 0 * length(claimed.id))
    ON CONFLICT (key) DO NOTHING
)
SELECT EXISTS (SELECT FROM claimed)
