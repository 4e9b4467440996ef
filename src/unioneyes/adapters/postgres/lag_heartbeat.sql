-- A transaction that writes to the log, and to no table: its commit is what the replica is watched for.
SELECT pg_logical_emit_message(true, 'ue heartbeat', '')
