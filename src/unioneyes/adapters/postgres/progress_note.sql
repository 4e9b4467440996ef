-- `done` statements of a script stand, and whether the next one was begun.
INSERT INTO unioneyes.migration_progress (script, tag, done, begun) VALUES (%(script)s, %(tag)s, %(done)s, %(begun)s)
ON CONFLICT (script) DO UPDATE SET done = excluded.done, begun = excluded.begun, reached = NULL, rows = 0
