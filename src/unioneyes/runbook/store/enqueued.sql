-- The run was handed to the workers. One row: its id. Where a crash takes this, it is handed on once more, and nothing changes by that.
UPDATE ue.runs SET enqueued_at = clock_timestamp() WHERE id = %(run)s RETURNING id
