-- The run is in the step, and the journal says so, unless it must stop. One row: why it must, as a word, null when it is in the step; and its token.
-- The run's row is locked first, and the journal's turn is awaited with it in hand: the order in which every transaction takes the two.
WITH found AS (
    SELECT
        CASE
            WHEN root.attempt <> %(attempt)s THEN 'lost'
            WHEN root.superseded_by IS NOT NULL THEN 'superseded'
            WHEN part.token IS NOT NULL AND (held.token IS DISTINCT FROM part.token OR held.run_id IS DISTINCT FROM part.id) THEN 'superseded'
            WHEN %(cancellable)s AND root.cancelled_by IS NOT NULL THEN 'cancelled'
            WHEN %(heeds_line)s AND EXISTS (SELECT FROM ue.line_stops AS line WHERE line.service = part.service AND line.lifted_at IS NULL) THEN 'line-stopped'
        END AS why,
        part.token
    FROM ue.runs AS root
    JOIN ue.runs AS part ON part.id = %(part)s
    LEFT JOIN ue.service_locks AS held ON held.service = part.service
    WHERE root.id = %(root)s
    FOR NO KEY UPDATE OF root
),
entered AS (
    UPDATE ue.runs
    SET
        step = CASE WHEN %(shows)s THEN %(step)s ELSE step END,
        status = CASE WHEN %(shows)s THEN %(status)s ELSE status END
    WHERE id = %(part)s AND EXISTS (SELECT FROM found WHERE why IS NULL)
    RETURNING id
),
written AS (
    INSERT INTO ue.journal (key, run_id, kind, step, message, data)
    SELECT %(key)s, entered.id, %(kind)s, %(step)s, %(message)s, %(data)s
    FROM entered, pg_advisory_xact_lock(%(turn)s + 0 * length(entered.id))
    ON CONFLICT (key) DO NOTHING
)
SELECT why, token FROM found
